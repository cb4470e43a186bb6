"""What a writer leaves for the manifest: rows, notes, and what gives the source's bytes back.

For text that is a list of patches: each names a place in the export and the source's bytes that
belong there. Memory grows with the number of patches, not with the file.
"""

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

from influence_core.disk.records import Stored, build, plain
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


def _from_base64(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class Patch:
    """One difference: `length` bytes of the export at `at` stand for the source's `original`."""

    at: int
    length: int
    original: Annotated[bytes, Stored(_from_base64, _to_base64)]


@dataclass(frozen=True)
class Move:
    """A picture whose place in the export is not its old one: paths relative to the export."""

    old: str
    new: str


@dataclass(frozen=True)
class Way:
    """What the part `revert` of a manifest says.

    Attributes:
        kind: "patches", "file", "files" or "tree"; "" where no way back was kept.
        sha256: of the source; "" where it was not kept.
        file: in an exported folder, the file that the patches are of.
        patches: of a text file, in ascending order.
        parts: names of a folder's files.
        moves: of the pictures of a copied tree.
    """

    kind: str = ""
    sha256: str = ""
    file: str | None = None
    patches: tuple[Patch, ...] = ()
    parts: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()

    @classmethod
    def read(cls, value: Mapping[str, Any], path: Path) -> "Way":
        """The way back in this manifest.

        Raises:
            StoreError: it is damaged.
        """
        way = build(cls, value, f"{path} (revert)")
        ends = [0] + [patch.at + patch.length for patch in way.patches]
        if any(p.at < end or p.length < 0 for p, end in zip(way.patches, ends, strict=False)):
            raise StoreError(f"{path} is damaged; its patches overlap.")
        return way


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

    def taken(count: int) -> Iterator[bytes]:
        while count:
            piece = export.read(min(COPY_BYTES, count))
            if not piece:
                raise MismatchError("The export is shorter than its manifest says; it was edited.")
            hear(piece)
            count -= len(piece)
            yield piece

    for patch in patches:
        yield from taken(patch.at - position)
        for _ in taken(patch.length):
            pass  # the source has `original` there
        position = patch.at + patch.length
        yield patch.original
    while piece := export.read(COPY_BYTES):
        hear(piece)
        yield piece


def patches_to_json(patches: Sequence[Patch]) -> list[dict[str, Any]]:
    """Patches with their bytes in base64."""
    return [plain(patch) for patch in patches]


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
