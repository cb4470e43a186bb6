"""A seal on what a job was asked to do, so that only what was started from here is started again.

A project's folder may come from anybody, with jobs in it. To resume one is to run its arguments,
which may write any file of this user. So `start` seals them with a key that lies in the home of
projects, outside every project, and `resume` breaks no seal and believes no other.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from influence_core.disk.atomic import plain_errors
from influence_core.disk.names import projects_home

KEY = ".job-key"
_BYTES = 32


def seal(job_id: str, arguments: Sequence[str]) -> str:
    """The seal of a job, 64 hex digits.

    Raises:
        StoreError: the home of projects cannot be written.
    """
    told = json.dumps([job_id, *arguments]).encode()
    return hmac.new(_key(projects_home()), told, hashlib.sha256).hexdigest()


def holds(given: str, job_id: str, arguments: Sequence[str]) -> bool:
    """Whether the seal was made from here, for just this."""
    if not (projects_home() / KEY).is_file():
        return False
    return hmac.compare_digest(given.encode(), seal(job_id, arguments).encode())


def _key(home: Path) -> bytes:
    """The key of this home, made when it is first asked for; the first of several makers wins."""
    place = home / KEY
    with plain_errors("write", place):
        if not place.exists():
            home.mkdir(parents=True, exist_ok=True)
            _make(place)
        return place.read_bytes()


def _make(place: Path) -> None:
    made = place.with_name(f"{KEY}-{secrets.token_hex(8)}")
    number = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(made, place)
    finally:
        made.unlink()
