"""Where projects live, and names that are safe as file names.

Apart from `project` and `runs` so that a process which only watches another one, as jobs do, need
not load torch and the data libraries to find its way.
"""

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from influence_core.errors import DataError, StoreError

_STAMP = len("20260131-235959")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def projects_home() -> Path:
    """The folder of all projects; it need not exist yet."""
    return Path(os.environ.get("TURNOVER_HOME") or Path.home() / "turnover").expanduser()


def moment_after(others: Iterable[str], step: timedelta = timedelta(microseconds=1)) -> datetime:
    """Now; or a step after the latest of the others, where a clock was set back since then.

    Args:
        others: ISO times; what is none is passed over.
        step: the smallest difference that is written down.
    """
    moment = _now()
    for other in others:
        with suppress(ValueError, OverflowError):
            moment = max(moment, datetime.fromisoformat(other).replace(tzinfo=UTC) + step)
    return moment


def _now() -> datetime:
    return datetime.now(UTC)


def id_at(moment: datetime) -> str:
    """An id that sorts by time and never meets another one: 20260131-235959-1a2b3c."""
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def id_after(others: Iterable[str]) -> str:
    """A new id that sorts behind all these."""
    return id_at(moment_after((other[:_STAMP] for other in others), timedelta(seconds=1)))


def folder_name(name: str) -> str:
    """A project's name as a folder name: letters, digits, '-' and '_' of any script, at most 60.

    Raises:
        DataError: nothing is left of the name.
    """
    cleaned = re.sub(r"[^\w-]+", "-", name.strip()).strip("-_")[:60]
    if not cleaned:
        raise DataError(f"The project name '{name}' has no letter or digit; give it a --name.")
    return cleaned.lower()


def find_folder(name: str | Path) -> Path:
    """The folder of a project, by path or by name.

    Raises:
        StoreError: neither exists.
    """
    named = [projects_home() / name]
    with suppress(DataError):
        named.append(projects_home() / folder_name(str(name)))  # the name that was given to it
    for folder in (Path(name), *named):
        if (folder / "project.toml").is_file():
            return folder
    raise StoreError(
        f"There is no project '{name}', neither as a folder here nor in {projects_home()}; "
        "make one with: turnover new DATA"
    )


def check_name(name: str, what: str) -> str:
    """The name itself, if it can be a file name and nothing more.

    Raises:
        StoreError: it holds a slash, a leading dot or anything else of that kind.
    """
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"{name!r} cannot be the name of a {what}; use letters, digits, '-' and '_'."
        )
    return name
