"""Which browser may decide without a name: the first that does, so that two are told apart.

Decisions without a name are all signed alike, so those of two people would replace each other. One
small JSON file in the home of projects remembers the browser; it is a convenience, so a file that
cannot be read or written is never an error.
"""

from contextlib import suppress
from pathlib import Path

from influence_core.disk.atomic import read_json
from influence_core.disk.locks import update_json
from influence_core.errors import StoreError

FILE = ".unnamed.json"


def may_be_unnamed(home: Path, browser: str) -> bool:
    """Whether this browser is the one that decides without a name; the first to ask is.

    Args:
        home: of the projects.
        browser: an id that it keeps.
    """
    first = _first(home)
    if not first:
        with suppress(StoreError):
            update_json(home / FILE, lambda kept: {"browser": kept.get("browser") or browser})
        first = _first(home)
    return first in (browser, "")


def _first(home: Path) -> str:
    try:
        return str(read_json(home / FILE).get("browser") or "")
    except StoreError:
        return ""
