"""Which first hints each person has put away: one small JSON file in the home of projects.

A hint is a convenience, so a file that cannot be read or written is never an error: the hint is
shown once more.
"""

import json
from pathlib import Path

from influence_core.disk.atomic import write_bytes
from influence_core.errors import StoreError

FILE = ".hints.json"
MOST = 1_000_000  # bytes; a larger file is not ours


def put_away(home: Path, who: str) -> frozenset[str]:
    """Names of the hints that this person has put away."""
    return frozenset(_read(home).get(who, []))


def put_hint_away(home: Path, who: str, name: str) -> None:
    """Remember it; a name that is there already changes nothing."""
    kept = _read(home)
    kept[who] = sorted({*kept.get(who, []), name})
    try:
        write_bytes(home / FILE, json.dumps(kept, indent=1).encode("utf-8"))
    except (OSError, StoreError):
        return


def _read(home: Path) -> dict[str, list[str]]:
    path = home / FILE
    try:
        if path.stat().st_size > MOST:
            return {}
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(who): [str(name) for name in names]
        for who, names in found.items()
        if isinstance(names, list)
    }
