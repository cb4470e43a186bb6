"""Which first hints each person has put away: one small JSON file in the home of projects.

A hint is a convenience, so a file that cannot be read or written is never an error: the hint is
shown once more.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from influence_core.disk.atomic import read_json
from influence_core.disk.locks import update_json
from influence_core.errors import StoreError

FILE = ".hints.json"
MOST = 1_000_000  # bytes; a larger file is not ours


def put_away(home: Path, who: str) -> frozenset[str]:
    """Names of the hints that this person has put away."""
    return frozenset(_read(home).get(who, []))


def put_hint_away(home: Path, who: str, name: str) -> None:
    """Remember it; a name that is there already changes nothing."""
    with suppress(StoreError):
        update_json(home / FILE, lambda found: _plain(found, who, name))


def _plain(found: dict[str, Any], who: str, name: str) -> dict[str, list[str]]:
    kept = _lists(found)
    return {**kept, who: sorted({*kept.get(who, []), name})}


def _read(home: Path) -> dict[str, list[str]]:
    path = home / FILE
    try:
        return _lists(read_json(path)) if path.stat().st_size <= MOST else {}
    except (OSError, StoreError):
        return {}


def _lists(found: dict[str, Any]) -> dict[str, list[str]]:
    return {
        str(who): [str(name) for name in names]
        for who, names in found.items()
        if isinstance(names, list)
    }
