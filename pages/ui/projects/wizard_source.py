"""Where the data of a new project comes from: an upload, a path on this machine, or the hub.

Paths are for people on their own machine. As soon as others can reach the dashboard - it listens
beyond this machine, or a login is configured - they are refused, unless `TURNOVER_ALLOW_PATHS=1`
says otherwise; `TURNOVER_ALLOW_PATHS=0` refuses them in any case, such as behind a proxy.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.projects.encoders import image_encoders
from influence_core.workflow.projects.looking import pack_safely
from influence_core.workflow.projects.uploads import (
    MOST_MEGABYTES,
    SUFFIXES,
    Pack,
    is_zip,
    keep_upload,
    keep_zip,
)
from influence_core.workflow.results import projects_home
from pages.ui.frame.people.doors import LOOPBACK
from pages.ui.frame.people.login import login_configured
from pages.ui.projects.waiting import stoppable

ALLOW = "TURNOVER_ALLOW_PATHS"
UPLOAD, PATH, HUB = "Upload a file", "Path on this machine", "Hugging Face hub"


@dataclass(frozen=True)
class ChosenSource:
    """What the wizard goes on with.

    Attributes:
        place: absolute path, or hub name.
        title: what it is called on screen; untrusted text.
        kind: reader, or None for whatever it looks like.
    """

    place: str
    title: str
    kind: str | None = None

    @property
    def token(self) -> str:
        """Tells widgets of one source from those of another."""
        return hashlib.blake2b(self.place.encode(), digest_size=6).hexdigest()

    def sentence(self, error: Exception) -> str:
        """The error without the folders that an upload happens to lie in."""
        return str(error).replace(f"{Path(self.place).parent}/", "")


def paths_allowed() -> bool:
    """Whether users may name files and folders of the machine that the dashboard runs on."""
    told = os.environ.get(ALLOW, "").strip()
    if told:
        return told == "1"
    return st.get_option("server.address") in LOOPBACK and not login_configured()


def choose_source() -> ChosenSource | None:
    """The widgets; None until something is given.

    Raises:
        DataError: what is given cannot be a source.
    """
    ways = [UPLOAD, PATH, HUB] if paths_allowed() else [UPLOAD, HUB]
    way = st.segmented_control(
        "Where is the data?", ways, default=UPLOAD, required=True, key="wizard_way"
    )
    if way == PATH:
        return _path()
    return _hub() if way == HUB else _upload()


def _upload() -> ChosenSource | None:
    file = st.file_uploader(
        "CSV, JSON, Excel, Parquet, Arrow, a .gz or ZIP of these, or a ZIP of pictures",
        type=[suffix.lstrip(".") for suffix in SUFFIXES],
        max_upload_size=MOST_MEGABYTES,
        key="wizard_file",
        help="Stays on the machine of the dashboard. Pictures: a ZIP of `<class>/<picture>` or "
        "`<split>/<class>/<picture>`, a Parquet file with the encoded pictures, or a folder by its "
        "path.",
    )
    if file is None:
        st.caption(_encoders())
        return None
    place = _kept(
        file.file_id,
        lambda pack: keep_upload(projects_home(), file.name, file.getvalue(), pack),
    )
    return None if place is None else ChosenSource(place, file.name)


def _encoders() -> str:
    """What would be fetched, said before anything is given."""
    said = [
        f"{c.title} ({f'fetches {c.fetches}' if c.fetches else 'on this machine'})"
        for c in image_encoders()
    ]
    return f"Encoders: of sentences MiniLM (on this machine); of pictures {' or '.join(said)}."


def _path() -> ChosenSource | None:
    given = st.text_input(
        "Path",
        key="wizard_path",
        max_chars=4096,
        placeholder="/data/reviews.csv",
        help="A CSV, JSON, Excel, Parquet or Arrow file, a folder of these named by split, one of "
        "`<class>/<image>` or `<split>/<class>/<image>`, a ZIP of one, or a Hugging Face data set "
        "folder. It is only read.",
    ).strip()
    if not given:
        return None
    if "\0" in given:
        raise DataError("A path cannot hold a NUL character; check the path.")
    path = Path(given).expanduser()
    if not path.is_absolute():
        raise DataError(f"{given} is not an absolute path; begin it with / or ~.")
    if is_zip(path):
        state = path.stat()
        seen = (given, state.st_mtime_ns, state.st_size)
        place = _kept(seen, lambda pack: keep_zip(projects_home(), path, pack))
        return None if place is None else ChosenSource(place, path.name)
    return ChosenSource(str(path), path.name)


def _kept(source: object, keep: Callable[[Pack], Path]) -> str | None:
    """What is kept of a source below the home of projects, made once for each source.

    None as long as the user has stopped it.
    """
    kept = st.session_state.get("wizard_kept")
    if kept is None or kept[0] != source or not Path(kept[1]).is_file():
        # A ZIP's pictures are all looked at, in another process.
        made = stoppable(
            "wizard_kept", source, lambda tell: keep(partial(pack_safely, progress=tell))
        )
        if made is None:
            return None
        kept = st.session_state["wizard_kept"] = (source, str(made.resolve()))
    return kept[1]


def _hub() -> ChosenSource | None:
    given = st.text_input(
        "Name of the data set",
        key="wizard_hub",
        max_chars=200,
        placeholder="owner/name",
        help="Its first rows are fetched to be shown; all of it is downloaded to the machine of "
        "the dashboard, or taken from its cache, once the columns are chosen.",
    ).strip()
    if not given:
        return None
    parts = given.split("/")
    # The library would take a local folder of this name for the data set.
    local = any((place / given).exists() for place in (Path.cwd(), projects_home()))
    if len(parts) > 2 or any(part.startswith(".") or not part for part in parts) or local:
        raise DataError(f"{given} is not a name on the hub; it reads like owner/name, or name.")
    return ChosenSource(given, given, "hub")
