"""The strip above every page: the accuracy now and with the decisions so far, and what is left.

`workflow.cleanse.score` knows it all; this only draws it, and starts the job that measures.
"""

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.jobs import Job
from influence_core.workflow.cleanse.score import Standing, standing
from influence_core.workflow.results import Project
from pages.ui.draw.text import plain
from pages.ui.frame.jobs import panel as jobs_ui

VERB = "score"
HELP = (
    "The share that the newest run predicts right; after the arrow, how far your decisions move it "
    "when a few small models are retrained with and without them, with a 95 % interval."
)


def keep_score(project: Project) -> Standing | None:
    """Where it stands; measured again by a job once enough was decided. Before the job panel."""
    try:
        now = standing(project)
    except TurnoverError as error:
        st.warning(plain(str(error)))
        return None
    if now is not None and now.due:
        last = jobs_ui.latest(project, VERB)
        # One that failed would fail again and again; the button still tries.
        if last is None or last.state == "done":
            _begin(project, now.run)
    return now


def score_strip(project: Project, now: Standing) -> None:
    """Draw the line."""
    job = jobs_ui.latest(project, VERB)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="score"):
        first, *others = map(plain, now.parts)
        waiting = _waiting(now, job)
        words = " · ".join(
            [f"{plain(project.name)}: **{first}**", *([waiting] if waiting else []), *others]
        )
        st.caption(words, width="content", help=HELP)
        if now.behind and not (job and job.active):
            st.button(
                "Measure now", key="score_measure", type="tertiary", on_click=_begin,
                args=(project, now.run),
            )  # fmt: skip


def _waiting(now: Standing, job: Job | None) -> str:
    if not now.behind:
        return ""
    if job is not None and job.active:
        return "measuring with your decisions …"
    return f"{now.behind:,} {'decision' if now.behind == 1 else 'decisions'} not measured yet"


def _begin(project: Project, run: str) -> None:
    arguments = [VERB, str(project.root.resolve()), "--run", run]
    jobs_ui.begin(project, arguments, title="Measure the score")
