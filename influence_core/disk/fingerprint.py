"""Every sha256 of the house: of texts, files, tensors, and of this program itself.

Fingerprints are stored in projects, runs and exports, so what each function gives may never change.
Keys of rows are another kind of number (`data.keys`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_PACKAGE = Path(__file__).parents[1]
# For what is hashed while it is read or written.
stream = hashlib.sha256


def of_parts(parts: Iterable[str | bytes]) -> str:
    """sha256 hex of texts (as UTF-8) and bytes, one behind the other."""
    digest = stream()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def of_json(value: Any) -> str:
    """sha256 hex of a plain value; the order of an object's names does not count."""
    return of_parts([json.dumps(value, sort_keys=True)])


def of_file(path: Path) -> str:
    """sha256 hex of a file's content, streamed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_files(folder: Path, names: Sequence[str]) -> str:
    """sha256 hex over the names and contents of these files below a folder."""
    return of_parts(f"{name}\0{of_file(folder / name)}\n" for name in names)


def of_tensors(about: str | Mapping[str, Any], tensors: Mapping[str, "Tensor"]) -> str:
    """sha256 hex of named tensors, whatever their order; their shapes do not count.

    Args:
        about: text or plain values that count besides them.
        tensors: of any type and device.
    """
    if not isinstance(about, str):
        about = json.dumps(dict(about), sort_keys=True)
    named = (part for name in sorted(tensors) for part in (name, raw(tensors[name])))
    return of_parts(chain([about], named))


def raw(tensor: "Tensor") -> bytes:
    """The bytes of a tensor of any type and device."""
    from torch import uint8

    return tensor.cpu().contiguous().view(-1).view(uint8).numpy().tobytes()


@cache
def of_code() -> str:
    """sha256 hex of this package's source and the versions of what it computes with.

    A version number alone does not tell two checkouts apart, and parts that were found by other
    code must not be mixed with new ones.
    """
    files = sorted(_PACKAGE.rglob("*.py"))
    named = (part for p in files for part in (p.relative_to(_PACKAGE).as_posix(), p.read_bytes()))
    libraries = (f"{name} {version(name)}" for name in ("torch", "numpy", "numba"))
    return of_parts(chain(named, libraries))
