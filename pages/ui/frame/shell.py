"""The frame around every page: which project and which run are open, and errors in one sentence.

The choice lives in the address bar (`?project=…&run=…`), so a link opens the same thing again.
"""

import gc
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.visible import visible
from influence_core.workflow.explain import ahead
from influence_core.workflow.projects.uploads import sweep_uploads
from influence_core.workflow.results import (
    Project,
    install_samples,
    list_projects,
    projects_home,
    sample_root,
)
from influence_core.workflow.review.desk import Desk, open_desk
from influence_core.workflow.session import Session, open_session
from influence_core.workflow.train.runs.names import run_names
from pages.ui.draw.text import plain
from pages.ui.frame import settings
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.frame.menu import forget, menu, missing
from pages.ui.frame.score import keep_score, score_strip

log = logging.getLogger("turnover.pages")


@st.cache_resource(show_spinner="Copying the sample projects …")
def _home(path: str) -> Path:
    """The folder of projects, with the samples in it; once per server."""
    home = Path(path)
    root = sample_root()
    if root is not None:
        install_samples(home, root)
    sweep_uploads(home)
    return home


@st.cache_resource(max_entries=4, show_spinner="Opening the run …")
def _session(root: str, run_id: str, device: str) -> Session:
    session = open_session(Project.open(Path(root)), run_id, device)
    # What is open stays open. Out of the collector's sight, its millions of objects are not walked
    # through again, so Python dares to collect what the clicks leave behind much sooner.
    if gc.isenabled():  # not while the server starts, whose thread puts all away at its end
        gc.unfreeze()
        gc.collect()
        gc.freeze()
    return session


@st.cache_resource(max_entries=4, show_spinner=False)
def _ready(root: str, run: str, device: str, _session: Session) -> None:
    ahead.get_ready(_session)


def get_ready(session: Session) -> None:
    """Prepare for a first question, once a run and server; called when a list is drawn."""
    _ready(str(session.project.root), session.run.id, settings.device(), session)


def open_first() -> None:
    """Open the run that is shown to who names none; for the thread that is there before anyone."""
    for project in list_projects(_home(str(projects_home())))[:1]:
        runs = [r for r in project.runs() if r.fingerprint == project.fingerprint]
        if runs:
            _session(str(project.root), runs[0].id, "auto")


def shell() -> None:
    """Draw the sidebar, project and run, and above the page where the project stands."""
    with in_one_sentence():
        projects = {p.root.name: p for p in list_projects(_home(str(projects_home())))}
        with st.sidebar:
            if not projects:
                forget("project", "run")
                jobs_ui.panel(None)
                return
            # The address bar carries what is shown: folder names, which are unique.
            name = menu("Project", list(projects), "project")
            if name is None:
                forget("run")
                jobs_ui.panel(None)
                return
            try:
                _choose_run(projects[name])
            except TurnoverError as error:
                # The page of projects must stay open, also with a damaged one chosen.
                forget("run")
                st.error(plain(str(error)))
            now = keep_score(projects[name])
            jobs_ui.panel(projects[name])
        if now is not None:
            score_strip(projects[name], now)


def _choose_run(project: Project) -> None:
    runs = [r for r in project.runs() if r.fingerprint == project.fingerprint]
    if not runs:
        forget("run")  # of the project that was open before
        st.caption("No trained run yet")
        return
    chosen = st.session_state.get("run")
    record = next((r for r in runs if r.id == chosen), runs[0])
    menu(
        "Run", [r.id for r in runs], "run", within=project.root.name, names=run_names(runs),
        about=f"{record.id}: {record.called} on {plain(record.trained)}, trained "
        f"{record.created[:16].replace('T', ' ')} UTC",
    )  # fmt: skip
    for run, why in project.damaged_runs().items():
        st.warning(f"Run {plain(run)} cannot be read: {plain(why)}")


def need(key: str) -> None:
    """Stop with a sentence where the address names a project, run or split that is not there."""
    if (name := missing(key)) is not None:
        st.error(
            f"There is no {key} {plain(name[:100])} here any more, or the link is wrong. "
            f"Nothing is open; choose another {key} in the sidebar."
        )
        st.stop()


def open_project() -> Project:
    """The chosen project."""
    need("project")
    if "project" not in st.session_state:
        st.info("No project is open. Open or make one on the Projects page.")
        st.stop()
    return Project.open(projects_home() / st.session_state["project"])


def need_session() -> Session:
    """The chosen run, opened; or the next step in words, and the page stops."""
    project = open_project()
    need("run")
    run = st.session_state.get("run")
    if run is None:
        _ = project.header  # a damaged project says so
        st.info(
            "This project has no trained run yet. Train one on the Projects page, or with "
            f"`turnover train {project.root.name}`; this page fills as soon as it is done."
        )
        st.stop()
    with st.empty():  # of the spinner; also where it is open already, or all below would move
        return _session(str(project.root), run, settings.device())


def or_toast(action: Callable[..., Any], *args: object) -> Any:
    """For callbacks, which run before the page does: an error of ours is a message; then None."""
    try:
        return action(*args)
    except TurnoverError as error:
        st.toast(plain(str(error)), icon=":material/error:")
        return None


@st.cache_resource(max_entries=4, show_spinner="Scoring the labels …")
def _desk(root: str, run: str, device: str, reviews: str, _session: Session) -> Desk:
    return open_desk(_session)


def desk_of(session: Session) -> Desk:
    """The desk of the open run, shared by all browser sessions that compute on the same device."""
    project = session.project
    where = f"{project.settings.database} {project.name}"  # settings that say where reviews are
    return _desk(str(project.root), session.run.id, settings.device(), where, session)


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Show an error of ours as its sentence; log anything else and show no traceback."""
    try:
        yield
    except TurnoverError as error:
        st.error(plain(str(error)))
        st.stop()
    except Exception:
        log.error("A page failed\n%s", visible(traceback.format_exc()))
        st.error(
            "Something went wrong. The details are in the server's log; "
            "reload the page, and tell us if it happens again."
        )
        st.stop()
