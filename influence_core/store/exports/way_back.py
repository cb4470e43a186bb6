"""What a writer leaves for the manifest: rows, notes, and what gives the source's bytes back.

For text that is a list of patches: each names a place in the export and the source's bytes that
belong there. Memory grows with the number of patches, not with the file.
"""

import base64
import binascii
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from influence_core.errors import MismatchError, StoreError

COPY_BYTES = 1 << 20
FORBIDDEN = {"/", "\0", os.sep, os.altsep}


@dataclass(frozen=True)
class Written:
    """What a writer left.

    Attributes:
        rows: in the export.
        revert: what rebuilds the source, for the manifest.
        notes: sentences for the manifest.
        original: a file to keep beside a single exported file, None if there is none.
    """

    rows: int
    revert: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    original: Path | None = None


@dataclass(frozen=True)
class Patch:
    """One difference: `length` bytes of the export at `at` stand for the source's `original`."""

    at: int
    length: int
    original: bytes


def unpatched(
    export: BinaryIO, patches: Iterable[Patch], hear: Callable[[bytes], None]
) -> Iterator[bytes]:
    """The source's bytes, piece by piece.

    Args:
        export: the exported file, from its start.
        patches: in ascending order of `at`.
        hear: is given every byte of the export, for its hash.

    Raises:
        MismatchError: the export ends before a patch does.
    """
    position = 0
    for patch in patches:
        while position < patch.at:
            piece = export.read(min(COPY_BYTES, patch.at - position))
            hear(piece)
            position += len(piece)
            if not piece:
                raise MismatchError("The export is shorter than its manifest says; it was edited.")
            yield piece
        hear(export.read(patch.length))
        position += patch.length
        yield patch.original
    while piece := export.read(COPY_BYTES):
        hear(piece)
        yield piece


def patches_to_json(patches: Sequence[Patch]) -> list[dict[str, Any]]:
    """Patches with their bytes in base64."""
    return [
        {**asdict(patch), "original": base64.b64encode(patch.original).decode("ascii")}
        for patch in patches
    ]


def patches_from_json(value: Any, path: Path) -> tuple[Patch, ...]:
    """Inverse of `patches_to_json`.

    Raises:
        StoreError: the manifest is damaged.
    """
    try:
        made = [
            Patch(int(v["at"]), int(v["length"]), base64.b64decode(v["original"], validate=True))
            for v in value
        ]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise StoreError(f"{path} is damaged; its way back cannot be read ({error}).") from error
    ends = [0] + [patch.at + patch.length for patch in made]
    if any(p.at < end or p.length < 0 for p, end in zip(made, ends, strict=False)):
        raise StoreError(f"{path} is damaged; its patches overlap.")
    return tuple(made)


def plain_name(name: Any, path: Path) -> str:
    """The name itself if it leads nowhere else.

    Raises:
        StoreError: it is not a single file name.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & FORBIDDEN:
        raise StoreError(f"{path} names the file {name!r}, which is refused.")
    return name


def inner_path(name: Any, path: Path) -> PurePosixPath:
    """A relative path below the export, checked.

    Raises:
        StoreError: it leads out of the export.
    """
    for part in str(name).split("/"):
        plain_name(part, path)
    return PurePosixPath(str(name))
