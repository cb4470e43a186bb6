"""One safetensors file with a record, written whole or not at all: what a checkpoint lies in.

A kill at any moment leaves the last whole file. Read and written by `network_checkpoint` and
`head_checkpoint`, which know what stands in it; this room may not use `store`.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, uint8

from influence_core.errors import StoreError

PARTIAL = ".partial"
# Nobody comes back to work with these very settings after so long.
FORGOTTEN_SECONDS = 30 * 24 * 3600


def write_file(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Replace the file in one step.

    Raises:
        StoreError: the disk is full or the folder cannot be written; the old file is still there.
    """
    # With the process's number: another process at the same training must not write into it.
    temporary = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), temporary, metadata={"turnover": json.dumps(dict(record))})
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"The checkpoint {path} cannot be written ({error}); free some disk space or choose "
            "another folder."
        ) from error


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and record of a file.

    Raises:
        StoreError: it is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = dict(json.loads((file.metadata() or {})["turnover"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise unreadable(path, error) from error
    return tensors, record


def remove_file(path: Path) -> None:
    """Remove the file, and what killed processes left of it."""
    for found in (path, *path.parent.glob(f"{path.name}.*{PARTIAL}")):
        with suppress(OSError):
            found.unlink(missing_ok=True)


def remove_forgotten(folder: Path, pattern: str, own: str) -> None:
    """Remove files of the pattern for which nobody came back, but for those that begin with `own`.

    Whoever asks for something else leaves an unfinished file behind, and nothing else counts them.
    """
    for path in folder.glob(pattern):
        with suppress(OSError):
            forgotten = time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS
            if forgotten and not path.name.startswith(own):
                remove_file(path)


def unreadable(path: Path, error: Exception) -> StoreError:
    """The sentence about a damaged file."""
    return StoreError(
        f"The checkpoint {path} cannot be read ({error}); delete it to train from the start."
    )


@cache
def code_fingerprint() -> str:
    """sha256 over this package's source and the versions of what it computes with.

    A version number alone does not tell two checkouts apart, and parts that were found by other
    code must not be mixed with new ones.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    for name in ("torch", "numpy", "numba"):
        digest.update(f"{name} {version(name)}".encode())
    return digest.hexdigest()


def state_fingerprint(state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> str:
    """sha256 over plain settings and named tensors."""
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode())
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().view(-1).view(uint8).numpy().tobytes())
    return digest.hexdigest()
