"""Which databases the settings of a project may name: those that somebody trusted on this machine.

A project's folder may come from anybody, and the address in its settings would be opened with this
user's rights: any SQLite file, or a server that listens. So an address counts once its hash stands
in the home of projects, outside every project; no password is kept there.
"""

import hashlib
from pathlib import Path

from influence_core.disk.atomic import plain_errors, write_text
from influence_core.disk.names import projects_home

TRUSTED = ".trusted-databases"


def is_trusted(url: str) -> bool:
    """Whether this very address was trusted before."""
    return _hash(url) in _known(projects_home() / TRUSTED)


def trust(url: str) -> None:
    """From now on projects may name this address.

    Raises:
        StoreError: the home of projects cannot be written.
    """
    place = projects_home() / TRUSTED
    with plain_errors("write", place):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, "\n".join(sorted({*_known(place), _hash(url)})) + "\n")


def _known(place: Path) -> list[str]:
    with plain_errors("read", place):
        return place.read_text("ascii").split() if place.is_file() else []


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
