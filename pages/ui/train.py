"""Train from a page: the form, the job, and both sides' learning curves while it runs.

Used by the Projects page and the Runs page. The form offers what `turnover train` offers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from influence_core.jobs import Job, curves
from influence_core.workflow.expected import training_text
from influence_core.workflow.results import PRESETS, STANDARD, Project
from influence_core.workflow.train.head import TrainOptions
from pages.ui.frame import jobs as jobs_ui
from pages.ui.frame.expected import expected

VERB = "train"
DEFAULTS = TrainOptions()
# figure: (name, colour that reads on light and dark, dash)
LINES = {
    "learned_loss": ("learned side", "#d97706", "solid"),
    "flipped_loss": ("flipped side, which never saw the row", "#2563eb", "longdash"),
    "valid_loss": ("valid items", "#6b7280", "dot"),
    "test_loss": ("test items", "#6b7280", "dash"),
}


def train_controls(project: Project) -> Job | None:
    """The form, or the training that runs with its curves; the newest training job, if any."""
    job = jobs_ui.latest(project, VERB)
    if job is None or not job.active:
        _form(project)
    if job is not None:
        jobs_ui.watch(project, job.id)
        seconds = jobs_ui.SECONDS if job.active else None
        st.fragment(_live, run_every=seconds)(job)
    return job


def curve_chart(events: Sequence[Mapping[str, Any]], key: str) -> None:
    """Losses by epoch, from events with `done` and figures; nothing below two epochs."""
    events = _last_attempt(events)
    if len(events) < 2:
        return
    figure = go.Figure()
    for name, (title, colour, dash) in LINES.items():
        points = [(event["done"], event[name]) for event in events if name in event]
        if points:
            x, y = zip(*points, strict=True)
            figure.add_scatter(
                x=x, y=y, name=title, mode="lines", line={"color": colour, "dash": dash}
            )
    figure.update_layout(
        height=280,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "epoch", "rangemode": "tozero"},
        yaxis={"title": "loss, nats", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.1, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, alt="Losses of the learned and flipped side by epoch")


def _live(job: Job) -> None:
    curve_chart([e for e in curves(job) if e.get("stage") == VERB], key=f"curves_{job.id}")


def _last_attempt(events: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """A resumed training begins again, and so do its curves."""
    start = 0
    for i in range(1, len(events)):
        if events[i]["done"] <= events[i - 1]["done"]:
            start = i
    return events[start:]


def _form(project: Project) -> None:
    with st.form("fit", border=True):
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "Size", list(PRESETS), index=list(PRESETS).index(STANDARD), key="fit_size",
                width=150, help="How much is trained. "
                + " ".join(f"**{name}**: {size.good_for}." for name, size in PRESETS.items()),
            )  # fmt: skip
            st.number_input(
                "Ensemble size", 0, 256, 0, key="fit_members", width=130,
                help="Heads side by side. Their mean predicts; their spread is the standard error. "
                "0: as the size has it.",
            )  # fmt: skip
            st.number_input(
                "Hidden units", 0, 4096, 0, 2, key="fit_width", width=130,
                help="Hidden units of each head. Members and width are the accuracy lever. "
                "0: as the size has it.",
            )  # fmt: skip
            st.number_input(
                "Epochs", 0, 1000, 0, key="fit_epochs", width=130,
                help="0 stops by itself, when the side that never saw a row stops improving on it.",
            )  # fmt: skip
            st.number_input(
                "Seed", 0, 2**31 - 1, DEFAULTS.seed, key="fit_seed", width=130,
                help="Of the start, the masks and the order of batches.",
            )  # fmt: skip
            st.number_input(
                "Dropout rate", 0.05, 0.95, DEFAULTS.p, 0.05, key="fit_p", width=130,
                help="Share of units on a row's learned side; the paper uses 0.5.",
            )  # fmt: skip
        st.form_submit_button(
            "Train", type="primary", key="fit_go", on_click=_begin, args=(project,)
        )
        expected(training_text(project, DEFAULTS, stored=True))


def _begin(project: Project) -> None:
    chosen = st.session_state
    size, seed = chosen["fit_size"], chosen["fit_seed"]
    options = TrainOptions.of_size(size, chosen["fit_members"], chosen["fit_width"])
    arguments = [VERB, str(project.root.resolve()), "--size", size]
    for name in ("seed", "p"):
        arguments += [f"--{name}", str(chosen[f"fit_{name}"])]
    for name in ("members", "width", "epochs"):
        if chosen[f"fit_{name}"]:
            arguments += [f"--{name}", str(chosen[f"fit_{name}"])]
    title = f"Train {options.members} × {options.width}, seed {seed}"
    jobs_ui.begin(project, arguments, title=title)
