"""The verb `doctor`: what this installation is, what is missing in it, and how to get that.

Nothing is changed and nothing is asked of the network. Versions are compared with what the package
itself declares, so the list of dependencies stands in one place.
"""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from influence_core.disk.names import projects_home
from influence_core.errors import StoreError
from influence_core.installed import dashboard_root, sample_names

PACKAGE = "turnover"
# Extras of people who use it; the others are for those who build it.
EXTRAS = {
    "ray": "works on a Ray cluster",
    "auth": "login with an OpenID Connect provider",
    "postgres": "decisions in PostgreSQL",
    "mcp": "an agent's way to the verbs",
    "st": "sentence encoders by sentence-transformers",
    "quality": "odd pictures by CleanVision",
    "timm": "picture encoders by timm",
}
LEAST_FREE = 2 << 30  # bytes; an encoder's weights and the features of a middling data set

State = Literal["ok", "optional", "wrong"]


@dataclass(frozen=True)
class Found:
    """One line: what was looked at, how it is, what that means, and what to do about it."""

    name: str
    state: State
    what: str
    advice: str = ""


def doctor() -> list[Found]:
    """Look at versions, device, home of projects, and what is optional; in this order."""
    return [*_versions(), _device(), _dashboard(), _home(), *_extras()]


def _versions() -> Iterator[Found]:
    system = f"{platform.system()} {platform.machine()}"
    yield Found(
        PACKAGE,
        "ok",
        f"{metadata.version(PACKAGE)}, Python {platform.python_version()} on {system}",
    )
    for needed in _required():
        found = _version(needed.name)
        if found is None or not needed.specifier.contains(found, prereleases=True):
            is_there = "is not installed" if found is None else f"is {found}"
            yield Found(
                needed.name, "wrong", f"{is_there}; {needed.specifier} is needed",
                f"pip install '{needed.name}{needed.specifier}'",
            )  # fmt: skip
        elif needed.name in ("torch", "streamlit"):
            yield Found(needed.name, "ok", found)


def _required(extra: str | None = None) -> list[Requirement]:
    """What the package declares: always, or for an extra alone."""
    declared = [Requirement(text) for text in metadata.requires(PACKAGE) or []]
    if extra is None:
        return [r for r in declared if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [r for r in declared if r.marker is not None and r.marker.evaluate({"extra": extra})]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _device() -> Found:
    try:
        import torch  # noqa: F401 - to see whether it is there

        from influence_core.models.device import device_name, memory_words, pick_device
    except (ImportError, OSError) as error:  # a library of the graphics card may be missing
        return Found(
            "device",
            "wrong",
            f"torch cannot be loaded ({error})",
            "pip install --force-reinstall torch",
        )
    device = pick_device("auto")
    known = device_name(device)
    if device.type == "cpu":
        known = f"CPU with {os.cpu_count()} cores, no GPU"
    return Found("device", "ok", f"{known}; {memory_words(device)}")


def _dashboard() -> Found:
    try:
        dashboard_root()
    except StoreError as error:
        return Found("dashboard", "wrong", str(error), "install the wheel or the checkout again")
    samples = sorted(sample_names())
    return Found(
        "dashboard",
        "ok",
        f"with the samples {', '.join(samples)}" if samples else "without samples",
    )


def _home() -> Found:
    home = projects_home()
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Found(
            "home", "wrong", f"{home} cannot be written", "set TURNOVER_HOME to another folder"
        )
    free = shutil.disk_usage(place).free
    room = f"{home}, {free / 2**30:.1f} GiB free"
    if free < LEAST_FREE:
        return Found("home", "wrong", room, "free some space, or set TURNOVER_HOME to another disk")
    return Found("home", "ok", f"{room}, {_count(home)}")


def _count(home: Path) -> str:
    count = len(list(home.glob("*/project.toml")))
    return "1 project" if count == 1 else f"{count} projects"


def _extras() -> Iterator[Found]:
    for extra, what in EXTRAS.items():
        missing = [
            needed
            for needed in _required(extra)
            if (found := _version(needed.name)) is None
            or not needed.specifier.contains(found, prereleases=True)
        ]
        if missing:
            advice = "pip install " + " ".join(f"'{r.name}{r.specifier}'" for r in missing)
            yield Found(extra, "optional", f"not installed ({what})", advice)
        else:
            yield Found(extra, "ok", what)
