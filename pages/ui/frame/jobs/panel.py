"""Jobs on screen: a panel in the sidebar of every page, and the progress of one job in a page.

Both are fragments that look once a second, but only while something runs; when a job ends, the
whole page is drawn again, so that what the job made is there. Pages start a job with `begin`, best
in a button's callback.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.jobs import Job, ahead, cancel, find, jobs, log_tail, resume, start
from influence_core.visible import visible
from influence_core.workflow.results import Project, projects_home
from pages.ui.draw.text import plain
from pages.ui.frame import settings
from pages.ui.frame.jobs import words

SHOWN = 5  # ended jobs in the panel
LOG_BYTES = 16_000
SECONDS = 1.0
_ERROR = "job_error"
ON_DEVICE = (
    "train",
    "encode",
    "explain",
    "verify",
    "causes",
    "evaluate",
    "cleanse",
    "trial",
    "predict",
    "score",
)  # verbs that take --device


def begin(
    project: Project | Path,
    arguments: Sequence[str],
    *,
    title: str,
    who: str = "",
    expected: float | None = None,
) -> Job | None:
    """Start a job from a page; None if it cannot be started, and the panel then says why.

    Args:
        project: the project, or the home of projects for a verb that makes one.
        arguments: as after `turnover`, with absolute paths.
        title: what it does, for people.
        who: the user; by default the account, the name in the settings, or who runs the server.
        expected: seconds that it should take, if that is known.
    """
    if arguments[0] in ON_DEVICE and settings.device() != "auto":
        arguments = [*arguments, "--device", settings.device()]
    try:
        return start(_root(project), arguments, title=title, who=who or _user(), expected=expected)
    except TurnoverError as error:
        st.session_state[_ERROR] = str(error)
        return None


def latest(project: Project | Path, verb: str, *about: str) -> Job | None:
    """The newest job of this verb, such as "train"; also one that another browser started.

    `about` are arguments that it must have been given, such as the key of an item.
    """
    found = (job for job in jobs(_root(project)) if job.arguments[:1] == (verb,))
    return next((job for job in found if set(about) <= set(job.arguments)), None)


def panel(project: Project | None) -> None:
    """Running and recent jobs of the project, and those that are making projects."""
    problem = st.session_state.pop(_ERROR, None)
    if problem:
        st.error(plain(problem))
    roots = [projects_home()] + ([project.root] if project else [])
    found = _all(roots)
    active = [job.id for job in found if job.active]
    if found:
        # Buttons of a fragment draw only the fragment again; see _redraw_if_changed.
        st.fragment(_panel, run_every=SECONDS if active else None)(roots, active)


def watch(project: Project | Path, job_id: str) -> Job:
    """One job inside a page: where it is, how fast, how long still, Cancel, Resume and Log."""
    root = _root(project)
    job = find(root, job_id)
    st.fragment(_watch, run_every=SECONDS if job.active else None)(root, job_id, job.active)
    return job


def _panel(roots: Sequence[Path], active: Sequence[str]) -> None:
    found = _all(roots)
    _redraw_if_changed(found, active)
    for job in found:
        if job.active:
            with st.container(border=True, gap="xsmall"):
                st.markdown(f"**{plain(job.title)}**")
                _where(job)
                _buttons(job, "panel")
    ended = [job for job in found if not job.active][:SHOWN]
    if not ended:
        return
    with st.expander("Recent jobs", expanded=any(job.state == "interrupted" for job in ended)):
        for job in ended:
            st.markdown(f"**{plain(job.title)}**  \n{words.ending(job)}")
            _buttons(job, "panel")


def _watch(root: Path, job_id: str, active: bool) -> None:
    try:
        job = find(root, job_id)
    except TurnoverError as error:  # somebody removed its folder
        st.caption(plain(str(error)))
        return
    _redraw_if_changed([job], [job_id] if active else [])
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{plain(job.title)}**")
        if job.active:
            _where(job)
        else:
            st.markdown(words.ending(job))
        _buttons(job, "page")


def _redraw_if_changed(found: Sequence[Job], active: Sequence[str]) -> None:
    """What an ended job made belongs to other parts of the page; a resumed one must be watched."""
    if {job.id for job in found if job.active} != set(active):
        st.rerun(scope="app")


def _where(job: Job) -> None:
    share, text = words.where(job, ahead(job))
    st.progress(share, plain(text))


def _buttons(job: Job, place: str) -> None:
    key = f"{place}_{job.id}"
    with st.container(horizontal=True, gap="xsmall"):
        if job.active:
            st.button("Cancel", key=f"cancel_{key}", on_click=_try, args=(cancel, job))
        if job.resumable:
            st.button("Resume", key=f"resume_{key}", on_click=_try, args=(resume, job))
        made = {what: str(job.result[what]) for what in ("project", "run") if what in job.result}
        new = [what for what, name in made.items() if name != st.session_state.get(what)]
        if new and st.button(f"Open the {new[0]}", key=f"open_{key}"):
            # The menus in the sidebar follow; see shell.
            for what, name in made.items():
                st.session_state[f"open_{what}"] = name
            st.rerun(scope="app")
        with st.popover("Log", key=f"log_{key}", type="tertiary"):
            st.code(
                visible(log_tail(job, LOG_BYTES)) or "Nothing yet", language=None, wrap_lines=True
            )
    if "evaluation" in job.result:
        st.page_link("pages/trust.py", label="See the result")
    if "cleansing" in job.result:
        st.page_link("pages/cleanse.py", label="See the result")
    if "verified" in job.result and st.query_params.get("item") != job.result["verified"]:
        names = {"project": "of_project", "run": "of_run", "split": "split", "item": "verified"}
        there = {name: str(job.result.get(kept, "")) for name, kept in names.items()}
        st.page_link("pages/errors.py", label="See the result", query_params=there)
    for what in ("export", "scores", "predictions"):
        if what in job.result:
            st.caption(f"Written to {plain(str(job.result[what]))}")


def _try(action: Callable[[Job], object], job: Job) -> None:
    try:
        action(job)
    except TurnoverError as error:
        st.session_state[_ERROR] = str(error)


def _all(roots: Sequence[Path]) -> list[Job]:
    found = [job for root in roots for job in jobs(root)]
    return sorted(found, key=lambda job: (job.created, job.id), reverse=True)


def _root(project: Project | Path) -> Path:
    return (project.root if isinstance(project, Project) else project).resolve()


def _user() -> str:
    """The account, or the name in the settings; "" where nobody said who they are."""
    name = settings.reviewer()
    return "" if name == settings.NOBODY else name
