"""Slices that somebody saved: named rows of one split, kept until they are deleted.

    slices/<digest of the name>.json

A slice is its rows, not the conditions that found them: whose accuracy is compared must not change
with what the next run gets wrong. Pages and verbs save and open them; `workflow.slices.grammar`
knows them as `slice:name`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from influence_core.data.keys import HexKey
from influence_core.disk.atomic import plain_errors, read_json, write_json
from influence_core.disk.fingerprint import of_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.locks import locked
from influence_core.disk.records import build, plain
from influence_core.errors import StoreError

FOLDER = "slices"
MOST_NAME = 100  # characters
_FORMAT = "slice"
_SECONDS = 10


@dataclass(frozen=True)
class SavedSlice:
    """Rows of a split under a name.

    Attributes:
        name: unique in the project.
        split: of the rows.
        said: what they were chosen by, for people.
        keys: of the rows, ascending.
        created: UTC time, ISO 8601; "" until it is saved.
    """

    name: str
    split: str
    said: str
    keys: tuple[HexKey, ...]
    created: str = ""


def saved_slices(root: Path, split: str = "") -> list[SavedSlice]:
    """Those of a project, or of one of its splits, by name.

    Raises:
        StoreError: one is damaged.
    """
    found = [_read(path) for path in (root / FOLDER).glob("*.json")]
    return sorted(
        (one for one in found if split in ("", one.split)), key=lambda one: one.name.casefold()
    )


def saved_slice(root: Path, name: str) -> SavedSlice:
    """The slice of this name.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    path = _path(root, name)
    if not path.is_file():
        known = ", ".join(repr(one.name) for one in saved_slices(root)) or "none"
        raise StoreError(f"There is no saved slice {name!r}; saved are {known}.")
    return _read(path)


def save_slice(root: Path, made: SavedSlice) -> SavedSlice:
    """Keep it; the slice as it is stored.

    Raises:
        StoreError: it has no name or no row, the name is taken, or it cannot be written.
    """
    name = " ".join(made.name.split())[:MOST_NAME]
    if not name:
        raise StoreError("A slice needs a name; write one that tells it from others.")
    if not made.keys:
        raise StoreError(f"The slice {name!r} holds no row; select at least one.")
    path = _path(root, name)
    now = made.created or datetime.now(UTC).isoformat(timespec="seconds")
    kept = SavedSlice(name, made.split, made.said, tuple(sorted(map(int, made.keys))), now)
    with plain_errors("write", path):
        path.parent.mkdir(exist_ok=True)
    with locked(path, seconds=_SECONDS):
        if path.is_file():
            raise StoreError(f"There is a slice {name!r} already; take another name, or delete it.")
        write_json(path, stamped(_FORMAT, plain(kept)))
    return kept


def delete_slice(root: Path, name: str) -> SavedSlice:
    """Forget it; what it was, so that it can be saved again.

    Raises:
        StoreError: there is none, or it cannot be deleted.
    """
    path = _path(root, name)
    found = saved_slice(root, name)
    with plain_errors("delete", path):
        path.unlink(missing_ok=True)
    return found


def _read(path: Path) -> SavedSlice:
    value = upgraded(_FORMAT, read_json(path), path)
    return build(SavedSlice, value, path, "delete it and save the slice again")


def _path(root: Path, name: str) -> Path:
    return root / FOLDER / f"{of_json(name)[:16]}.json"
