"""Stop and go on for work of several trainings: what every finished part of it has found.

A part is a round of a cleansing or a chunk of retrainings. Parts are taken as they were found, so
the work ends with the very result of an unbroken one. Each lies in a file of its own, so that none
is written twice or held in memory for the next; the training that is under way lies beside them in
a `HeadCheckpoint`. A file of other work or a damaged one is not read. Called by
`evaluation.retrain` and `cleansing.rounds_checkpoint`; whoever keeps the result discards the parts.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from influence_core.disk.checkpoint import (
    read_file,
    remove_file,
    state_fingerprint,
    write_file,
)
from influence_core.errors import StoreError
from influence_core.training.heads.checkpoint import HeadCheckpoint

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Part:
    """What a part has found: tensors on the CPU, and single figures."""

    tensors: Mapping[str, Tensor]
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PartsCheckpoint:
    """The finished parts of unfinished work.

    Attributes:
        stem: path that the names of all its files begin with.
        belongs_to: hash of all that decides the result.
    """

    stem: Path
    belongs_to: str

    def find(self, name: str) -> Part | None:
        """A part that was finished before; None if it was not, is other work's, or damaged."""
        try:
            tensors, record = read_file(self._file(name))
            content = record.pop("content", None)
            if record.get("identity") != self._identity(name):
                return None
            if record["forms"] != _forms(tensors) or content != state_fingerprint(tensors, record):
                return None
            return Part(tensors, dict(record["figures"]))
        except (StoreError, KeyError, ValueError, TypeError):
            return None

    def keep(self, name: str, part: Part) -> None:
        """Write atomically; a disk that is full costs the resume, not the work."""
        tensors = {key: tensor.contiguous() for key, tensor in part.tensors.items()}
        record: dict[str, Any] = {
            "identity": self._identity(name),
            "figures": dict(part.figures),
            "forms": _forms(tensors),
        }
        # A flipped bit in a score would pass for a score, so the content has a hash of its own.
        record["content"] = state_fingerprint(tensors, record)
        with suppress(StoreError):
            write_file(self._file(name), tensors, record)
        remove_file(self.training(name).path)

    def training(self, name: str) -> HeadCheckpoint:
        """Where the training of a part that is not finished is kept, and goes on from."""
        path = self.stem.with_name(f"{self.stem.name}.training{SUFFIX}")
        return HeadCheckpoint(path, self._identity(name))

    def _file(self, name: str) -> Path:
        short = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self.stem.with_name(f"{self.stem.name}.{short}{SUFFIX}")

    def _identity(self, name: str) -> str:
        return f"{self.belongs_to} {name}"


def discard_parts(stem: Path) -> None:
    """The result is kept elsewhere: the same work begins at the start."""
    for path in stem.parent.glob(f"{stem.name}.*"):
        remove_file(path)


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, list[Any]]:
    return {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
