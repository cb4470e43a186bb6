"""Mapped NumPy files that may have been bent since they were written."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.format import open_memmap

from influence_core.errors import StoreError


def map_array(path: Path, mode: Literal["r", "r+"] = "r") -> np.memmap[Any, Any]:
    """The array of a `.npy` file, mapped from the disk; objects (pickle) are refused.

    Raises:
        StoreError: it is missing, cannot be read, or is no whole `.npy` file.
    """
    try:
        return open_memmap(path, mode=mode)
    # NumPy reads the header as Python source, so a bent one raises whatever tokenizer and parser
    # raise (TokenError, SyntaxError, RecursionError, OverflowError, MemoryError and others).
    except Exception as error:
        raise StoreError(f"{path} is damaged ({error}); delete it and train again.") from error
