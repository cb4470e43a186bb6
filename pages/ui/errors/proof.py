"""*Verify*: retrain without the listed rows as a job, show the outcome, and act on it.

The job goes on whatever is clicked; its outcome is kept with the project and found again whenever
the item is opened.
"""

import math

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from influence_core.workflow.explain.explain import Explanation
from influence_core.workflow.explain.items import Item
from influence_core.workflow.explain.proof.change import expected_change, sentence
from influence_core.workflow.explain.proof.verify import (
    MOST,
    PredictedChange,
    Question,
    Verified,
    keep_own,
    kept_verified,
    key_of,
    own_picture,
)
from influence_core.workflow.results import CONTENT_WORDS, to_hex
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import Session
from pages.ui.act import act_on
from pages.ui.draw import numbers
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.frame.shell import or_toast, plain

VERB = "verify"
ARMS = {"nothing": "all rows", "listed": "without these rows", "random": "without random rows"}
TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def proof_box(session: Session, answer: Explanation) -> None:
    """One button, the job that it starts, and what is known; nothing runs before a press.

    Args:
        session: the open run.
        answer: finished.
    """
    item = answer.item
    side, count = _asked(session, answer)
    table = answer.helpful if side == "helpful" else answer.harmful
    options = answer.options
    own = Question(options.estimator, options.toward, options.among, side)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="proof_box"):
        for key, label, smallest in (
            ("proof_go", "Verify", False),
            ("flip_go", "Fewest rows that change the prediction", True),
        ):
            st.button(
                label, key=key, type="secondary" if smallest else "primary", disabled=table.empty,
                on_click=_begin, args=(session, answer, own, count, smallest),
                help=_SEARCH if smallest else _VERIFY,
            )  # fmt: skip
        with st.popover("How", type="tertiary", key="proof_how"):
            _controls(answer)
            if said := expected_line(session, answer, side, count or len(table)):
                st.markdown(plain(said))
    job = jobs_ui.latest(session.project, VERB, *_named(session, item), session.run.id)
    if job is not None and job.state != "done":
        jobs_ui.watch(session.project, job.id)
        if job.active:
            return
    both = [own, Question(**{**vars(own), "smallest": True})]
    found = kept_verified(session.project, session.run.id, key_of(item), both)
    if found is not None:
        _show(session, found)


_VERIFY = (
    "Ten retrainings with the same seeds: with all rows, without as many from the top of the list "
    "as are expected to change the prediction, and without as many random rows of the same classes."
)
_SEARCH = (
    f"Searched along the first {MOST} rows of the list, then held against random rows of the same "
    "classes. Takes several times as long."
)


def _asked(session: Session, answer: Explanation) -> tuple[str, int]:
    """Side and number of rows, as the controls below the buttons say."""
    usual = "helpful" if answer.label == answer.item.predicted else "harmful"
    state = st.session_state
    side = state.get("proof_side") or usual
    return side, int(state.get("proof_k") or 0)


def _controls(answer: Explanation) -> None:
    usual = "helpful" if answer.label == answer.item.predicted else "harmful"
    names = {"helpful": "pushed toward it", "harmful": "pushed away from it"}
    st.segmented_control(
        "Rows to leave out", list(names), default=usual, required=True, key="proof_side",
        format_func=names.__getitem__,
    )  # fmt: skip
    st.number_input(
        "How many, from the top; 0: as many as should change the prediction", 0, MOST, 0,
        key="proof_k",
    )  # fmt: skip


def _begin(
    session: Session, answer: Explanation, asked: Question, count: int, smallest: bool
) -> None:
    item = answer.item
    arguments = [VERB, str(session.project.root.resolve()), "--run", session.run.id]
    arguments += _named(session, item)
    if isinstance(item.content, bytes) and or_toast(keep_own, session.project, item) is None:
        return
    for name in ("estimator", "toward", "among", "side"):
        arguments += [f"--{name}", str(getattr(asked, name))]
    arguments += ["--smallest"] if smallest else ["--count", str(count)]
    what = "Search the fewest rows for" if smallest else "Verify"
    jobs_ui.begin(session.project, arguments, title=f"{what} {_called(session, item)}")


def _named(session: Session, item: Item) -> list[str]:
    """The item as the verb is told of it; a picture of one's own by the file it is kept in."""
    if item.content is None:
        return ["--split", str(item.split), "--item", to_hex(key_of(item))]
    if isinstance(item.content, str):
        return [f"--text={item.content}"]
    return [f"--image={own_picture(session.project, item)}"]


def _called(session: Session, item: Item) -> str:
    if item.content is not None:
        one, _ = CONTENT_WORDS[session.project.dataset.modality]
        return f"{one} of your own"
    data = session.project.dataset.split(str(item.split))
    return f"{item.split} {data.ids[data.position(item.key or 0)]}"


def _show(session: Session, found: Verified) -> None:
    """The sentence, before and after beside random rows, and what may be done about it."""
    (st.success if found.changed else st.info)(plain(found.sentence))
    if found.expected is not None and found.expected != len(found.keys):
        are = "is" if found.expected == 1 else "are"
        st.caption(
            f"{numbers.many(found.expected, 'row')} {are} expected to change the prediction."
        )
    if found.table is not None:
        st.plotly_chart(
            chart(found.table, found.label), key="proof_chart", config={"displayModeBar": False},
            alt=plain(found.sentence),
        )  # fmt: skip
    if found.this_model is not None:
        st.caption(_predicted_change(found.this_model))
    if found.keys:
        act_on(session, found.keys, suspects(session, found.keys))


def chart(table: pd.DataFrame, label: str) -> go.Figure:
    """Probability of a class under each arm, on an axis of log-odds, the percentages printed."""
    shown = table[table["class"] == label]
    p, half = shown["probability"].to_numpy(), shown["half"].to_numpy()
    middle = [_odds(one) for one in p]
    up = [_odds(a + b) - m for a, b, m in zip(p, half, middle, strict=True)]
    down = [m - _odds(a - b) for a, b, m in zip(p, half, middle, strict=True)]
    figure = go.Figure(
        go.Scatter(
            x=middle,
            y=[ARMS[arm] for arm in shown["arm"]],
            error_x={"type": "data", "array": up, "arrayminus": down, "symmetric": False},
            mode="markers+text",
            marker={"size": 11},
            text=[numbers.percent(one, 1) for one in p],
            textposition="top center",
        )
    )
    name = label.replace("&", "&amp;").replace("<", "&lt;")
    figure.update_layout(
        height=210,
        margin={"l": 0, "r": 24, "t": 8, "b": 0},
        xaxis={
            "title": f"probability of {name}, with 95 % interval (log-odds)",
            "tickvals": [_odds(tick) for tick in TICKS],
            "ticktext": [f"{100 * tick:g} %" for tick in TICKS],
        },
        yaxis={"range": [2.5, -0.7]},
    )
    return figure


def _odds(p: float) -> float:
    """Log-odds, between 0.1 ‰ and 99.99 %."""
    inside = min(max(p, 1e-4), 1 - 1e-4)
    return math.log(inside / (1 - inside))


def _predicted_change(found: PredictedChange) -> str:
    half = "" if math.isnan(found.half) else f" (± {100 * found.half:.0f})"
    return (
        f"This very model: P({plain(found.label)}) {numbers.percent(found.before)}, about "
        f"{numbers.percent(found.predicted)}{half} predicted without these rows, "
        f"{numbers.percent(found.retrained)} retrained."
    )


def expected_line(session: Session, answer: Explanation, side: str, count: int) -> str:
    """What is predicted before anyone retrains; "" where the method cannot tell."""
    if answer.effects is None or not count:
        return ""
    change = expected_change(session, answer.effects, side, count)
    return sentence(change, count, session.classes[answer.label])
