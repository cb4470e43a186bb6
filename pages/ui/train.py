"""Train from a page: the button, the job, and both sides' learning curves while it runs.

Used by the Projects page, its wizard and the Runs page; settings are those of `turnover train`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from influence_core.jobs import Job, curves
from influence_core.workflow.expected import (
    Shape,
    following_evaluation,
    shape_of,
    training_time,
)
from influence_core.workflow.results import PRESETS, STANDARD, Project
from influence_core.workflow.train.head import TrainOptions
from pages.ui.frame import settings
from pages.ui.frame.jobs import panel as jobs_ui

VERB = "train"
DEFAULTS = TrainOptions()
# What a training may be followed by: title, whether it is unless somebody says so, and why.
FOLLOWS = {
    "map": ("Then make the map", True, "Of the training data; a job of its own, about a minute."),
    # Off until it is asked for: it retrains a few hundred heads, while people look at the errors.
    "evaluate": (
        "Then evaluate",
        False,
        "Measures on this data how well each method predicts retraining; a job of its own that "
        "can be cancelled.",
    ),
}
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
        margin={"l": 0, "r": 0, "t": 44, "b": 0},  # room for the legend, however wide it is
        xaxis={"title": "epoch", "rangemode": "tozero"},
        yaxis={"title": "loss, nats", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
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


def training_settings(key: str, shape: Shape) -> TrainOptions:
    """The widgets with the values that are true, and what may follow.

    Args:
        key: how the keys of the widgets begin. shape: of what is trained on, for predicted times.
    """
    state = st.session_state
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        size = st.selectbox(
            "Size", list(PRESETS), index=list(PRESETS).index(STANDARD), key=f"{key}_size",
            width=150, on_change=_take_size, args=(key,), help="How much is trained. "
            + " ".join(f"**{name}**: {size.good_for}." for name, size in PRESETS.items()),
        )  # fmt: skip
        for name in ("members", "width"):
            state.setdefault(f"{key}_{name}", getattr(PRESETS[size], name))
        st.number_input(
            "Ensemble size", 1, 256, key=f"{key}_members", width=130,
            help="Heads side by side. Their mean predicts; their spread is the standard error.",
        )  # fmt: skip
        st.number_input(
            "Hidden units", 2, 4096, step=2, key=f"{key}_width", width=130,
            help="Hidden units of each head. Members and width are the accuracy lever.",
        )  # fmt: skip
        st.number_input(
            "Epochs", 1, 1000, None, key=f"{key}_epochs", width=160, placeholder="stops by itself",
            help="Without a number it stops when the side that never saw a row stops improving.",
        )  # fmt: skip
        st.number_input(
            "Seed", 0, 2**31 - 1, DEFAULTS.seed, key=f"{key}_seed", width=130,
            help="Of the start, the masks and the order of batches.",
        )  # fmt: skip
        st.number_input(
            "Dropout rate", 0.05, 0.95, DEFAULTS.p, 0.05, key=f"{key}_p", width=130,
            help="Share of units on a row's learned side; the paper uses 0.5.",
        )  # fmt: skip
    how = set_in(key)
    with st.container(horizontal=True, gap="medium"):
        for name, (title, usual, why) in FOLLOWS.items():
            took = f" ({following_evaluation(shape, how).short})" * (name == "evaluate")
            st.checkbox(title + took, usual, key=f"{key}_then_{name}", help=why)
    return how


def set_in(key: str) -> TrainOptions:
    """What is set in these widgets now; a button's callback asks, as its arguments may be older."""
    state = st.session_state
    shape, more = (
        {name: state[f"{key}_{name}"] for name in names}
        for names in (("size", "members", "width"), ("p", "epochs", "seed"))
    )
    return TrainOptions.of_size(**shape, **more, device=settings.device())


def what_follows(key: str) -> list[str]:
    """What is made after the training, as options of its verb."""
    asked = [name for name in FOLLOWS if st.session_state[f"{key}_then_{name}"]]
    return [part for name in asked for part in ("--then", name)]


def _take_size(key: str) -> None:
    """Members and width are the size's until somebody sets them."""
    shape = PRESETS[st.session_state[f"{key}_size"]]
    st.session_state[f"{key}_members"], st.session_state[f"{key}_width"] = (
        shape.members,
        shape.width,
    )


def _form(project: Project) -> None:
    with st.container(border=True):
        place = st.container()
        with st.expander("Advanced", key="fit_advanced"):
            how = training_settings("fit", shape_of(project))
        time = training_time(project, how)
        place.button(
            f"Train ({time.short})", type="primary", key="fit_go", on_click=_begin,
            args=(project, time.seconds),
        )  # fmt: skip
        place.caption(time.source)


def _begin(project: Project, seconds: float) -> None:
    how, then = set_in("fit"), what_follows("fit")
    arguments = [VERB, str(project.root.resolve()), "--size", how.size, *then]
    for name in ("members", "width", "epochs", "seed", "p"):
        if getattr(how, name) is not None:
            arguments += [f"--{name}", str(getattr(how, name))]
    title = f"Train {project.name}: {how.size}, seed {how.seed}"
    jobs_ui.begin(project, arguments, title=title, expected=seconds)
