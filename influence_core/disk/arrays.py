"""NumPy files mapped into memory: new ones, and those that may have been damaged since."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from influence_core.errors import StoreError


def map_array(path: Path, mode: Literal["r", "r+"] = "r") -> np.memmap[Any, Any]:
    """The array of a `.npy` file, mapped from the disk; objects (pickle) are refused.

    Raises:
        StoreError: it is missing, cannot be read, or is no whole `.npy` file.
    """
    try:
        return open_memmap(path, mode=mode)
    # NumPy reads the header as Python source, so a damaged one raises whatever tokenizer and parser
    # raise (TokenError, SyntaxError, RecursionError, OverflowError, MemoryError and others).
    except Exception as error:
        raise StoreError(f"{path} is damaged ({error}); delete it and train again.") from error


def new_array(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new `.npy` file of zeros, mapped for writing; its space on the disk is taken at once.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    array = open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # A mapped file that finds the disk full while it is filled kills the process.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
