"""The sets of copies of a project's data, kept since comparing all rows takes a while.

    copies.json

They follow from the data alone, so a file of other data is passed over and made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from influence_core.data.checks.near import CopySet
from influence_core.disk.atomic import read_json, write_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import build, plain
from influence_core.errors import StoreError

FILE = "copies.json"
_FORMAT = "copies"


@dataclass(frozen=True)
class KeptCopies:
    """Of which data, and the sets."""

    fingerprint: str
    sets: tuple[CopySet, ...]


def read_copies(root: Path, fingerprint: str, sizes: Mapping[str, int]) -> list[CopySet] | None:
    """The sets that were kept of this data; None if there are none yet.

    Args:
        root: of the project.
        fingerprint: of its data.
        sizes: rows of each split.

    Raises:
        StoreError: the file is damaged.
    """
    path = root / FILE
    if not path.is_file():
        return None
    kept = build(KeptCopies, upgraded(_FORMAT, read_json(path), path), path, _ADVICE)
    if kept.fingerprint != fingerprint:
        return None
    seen = [row for one in kept.sets for row in one.rows]
    good = all(0 <= at < sizes.get(name, 0) for name, at in seen)
    if not good or len(set(seen)) < len(seen) or any(len(one.rows) < 2 for one in kept.sets):
        raise StoreError(f"{path} is damaged (rows that the data do not have); {_ADVICE}.")
    return list(kept.sets)


def keep_copies(root: Path, fingerprint: str, sets: list[CopySet]) -> None:
    """Keep them.

    Raises:
        StoreError: the file cannot be written.
    """
    write_json(root / FILE, stamped(_FORMAT, plain(KeptCopies(fingerprint, tuple(sets)))))


_ADVICE = "delete it, it is made again"
