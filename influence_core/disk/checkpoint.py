"""Unfinished work on disk: one kind of file, and one policy for all of it.

A file says whose it is: a hash of all that decides the result, and this program's own fingerprint.
It also has a hash of its content, because a flipped bit in a weight would pass for a weight. A file
that is missing, damaged or of other work means starting again, which costs time and nothing else. A
disk that is full costs the resume, not the work. The caller discards the files once the result
is kept; what nobody came back to within a month is removed.
"""

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from influence_core.disk.atomic import atomic_file
from influence_core.disk.fingerprint import of_code, of_json, of_parts, of_tensors
from influence_core.disk.temporary import remove_abandoned
from influence_core.errors import StoreError

FOLDER = "checkpoints"  # of a project
SUFFIX = ".safetensors"
# Nobody comes back to work with these very settings after so long.
FORGOTTEN_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Checkpoint:
    """One file of unfinished work, existing or not.

    Attributes:
        path: of the file.
        belongs_to: hash of all that decides the result, apart from the code.
    """

    path: Path
    belongs_to: str

    def save(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> str:
        """Replace the file in one step; returns why it could not be, or "".

        Args:
            tensors: of any device. record: plain values.
        """
        plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        about: dict[str, Any] = {
            "identity": self.belongs_to,
            "code": of_code(),
            "record": dict(record),
            "forms": _forms(plain),
        }
        about["content"] = of_tensors(about, plain)
        try:
            with atomic_file(self.path) as temporary:
                save_file(plain, temporary, metadata={"turnover": json.dumps(about)})
        except StoreError as error:
            return str(error)
        return ""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and record; None if there are none of this work, or they are damaged."""
        try:
            with safe_open(self.path, framework="pt") as file:
                about = dict(json.loads((file.metadata() or {})["turnover"]))
                if (about["identity"], about["code"]) != (self.belongs_to, of_code()):
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            content = about.pop("content")
            if about["forms"] != _forms(tensors):
                return None
            if content != of_tensors(about, tensors):
                return None
            return tensors, dict(about["record"])
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError):
            return None

    def discard(self) -> None:
        """The work is complete, or taken up by others: remove the file."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Parts:
    """Unfinished work of several parts, such as rounds or chunks of retrainings.

    Each finished part lies in a file of its own, so that none is written twice or held in memory
    for the next. What is under way lies beside them.

    Attributes:
        stem: path that the names of all files begin with.
        belongs_to: as for a `Checkpoint`.
    """

    stem: Path
    belongs_to: str

    def of(self, *decides: str) -> "Parts":
        """The same files, of work that more hashes or names decide about."""
        return replace(self, belongs_to=of_json([self.belongs_to, *decides]))

    def find(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """A part that was finished before; None if it was not, is other work's, or damaged."""
        return self._part(name).load()

    def keep(self, name: str, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Keep a finished part; nothing is under way then."""
        self._part(name).save(tensors, record)
        self.under_way(name).discard()

    def under_way(self, name: str) -> Checkpoint:
        """Where the work on a part is kept until it is finished."""
        return self._file("training", name)

    def discard(self) -> None:
        """The result is kept elsewhere: the same work begins at the start."""
        for path in self.stem.parent.glob(f"{self.stem.name}.*"):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _part(self, name: str) -> Checkpoint:
        return self._file(of_parts([name])[:16], name)

    def _file(self, called: str, name: str) -> Checkpoint:
        path = self.stem.with_name(f"{self.stem.name}.{called}{SUFFIX}")
        return Checkpoint(path, f"{self.belongs_to} {name}")


def tidy(folder: Path, own: str = "") -> None:
    """Remove unfinished work that nobody came back to, and what killed writers left.

    Args:
        folder: which holds nothing else.
        own: names that begin so stay: they are asked for right now.
    """
    remove_abandoned(folder)
    limit = time.time() - FORGOTTEN_SECONDS
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime > limit or (own and path.name.startswith(own)):
                    continue
                # Folders are those of networks, as earlier versions of this program kept them.
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, list[Any]]:
    return {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
