"""*Verify*: retrain without the listed rows and show what happens to the open item."""

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from influence_core.progress import Progress
from influence_core.workflow.explain.change import Change, expected_change, sentence
from influence_core.workflow.explain.explain import Explanation, explain
from influence_core.workflow.explain.prove import (
    Expected,
    FlipReport,
    ProofReport,
    prove,
    smallest_flip,
)
from influence_core.workflow.session import Session
from pages.ui.frame.shell import plain

SEARCHED = 500  # rows along which the smallest flipping set is searched
_KEPT = "proof_outcome"
ARMS = {"nothing": "all rows", "listed": "without these rows", "random": "without random rows"}


def proof_box(session: Session, answer: Explanation) -> None:
    """Ask which rows, retrain on demand, show the outcome; nothing runs before a press."""
    with st.expander(
        "Verify by retraining without these rows", icon=":material/science:", key="proof_box"
    ):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            side = st.segmented_control(
                "Rows to leave out", ["helpful", "harmful"], default="helpful", required=True,
                key="proof_side",
            )  # fmt: skip
            table = answer.helpful if side == "helpful" else answer.harmful
            most = max(len(table), 1)
            k = st.number_input("How many, from the top", 1, most, min(10, most), key="proof_k")
            go_proof = st.button("Verify", key="proof_go", type="primary", disabled=table.empty)
            go_flip = st.button(
                "Fewest rows that change the prediction", key="flip_go", disabled=table.empty
            )
        st.caption(
            "Ten retrainings with the same seeds: with all rows, without "
            "these, and without as many random rows of the same classes. The smallest set is "
            f"searched along the first {SEARCHED} rows of the list."
        )
        count = int(k)
        if answer.effects is not None and not table.empty:
            change = expected_change(session, answer.effects, side, count)
            st.markdown(plain(sentence(change, count, session.classes[answer.label])))
        place = st.empty()  # of the bar; also while none is drawn, or the outcome would move
        asked = (session.run.id, answer.item.key, answer.item.proba.tobytes(), side)
        asked = (*asked, answer.options.estimator, answer.label)
        if go_proof:
            keys = table["key"].to_numpy()[:count]
            effects = answer.effects
            expected = effects and Expected.of(effects, answer.label, side, count)
            found = _waiting(
                place,
                lambda tell: prove(session, answer.item, keys, expected=expected, progress=tell),
            )
            st.session_state[_KEPT] = (asked, found)
        if go_flip:
            options = replace(answer.options, k=SEARCHED)
            longer = explain(session, answer.item, options, known=answer.scores)
            ranking = (longer.helpful if side == "helpful" else longer.harmful)["key"].to_numpy()
            found = _waiting(
                place, lambda tell: smallest_flip(session, answer.item, ranking, progress=tell)
            )
            st.session_state[_KEPT] = (asked, found)
        kept, found = st.session_state.get(_KEPT, (None, None))
        if kept == asked and isinstance(found, ProofReport):
            _show(found)
        elif kept == asked and isinstance(found, FlipReport):
            _show_flip(found)


def _waiting(place, work):  # type: ignore[no-untyped-def]
    """Run with a bar and a Cancel button: pressing it draws the page again, which ends the work."""
    with place.container():
        bar = st.progress(0.0, "Retraining …")
        st.button("Cancel", key="proof_cancel")

    def tell(event: Progress) -> None:
        share = min(event.done / max(event.total, 1), 1.0)
        what = f" without {event.message}" if event.message else ""
        bar.progress(share, f"Retraining{what}: {event.done} of {event.total}")

    found = work(tell)
    place.empty()
    return found


def _show(report: ProofReport) -> None:
    st.info(plain(report.sentence))
    if report.change is not None and report.actual is not None:
        _predicted_beside_actual(report.change, report.actual)
    name = report.table["class"].iloc[report.label]
    shown = report.table[report.table["class"] == name]
    figure = go.Figure(
        go.Scatter(
            x=100 * shown["probability"],
            y=[ARMS[arm] for arm in shown["arm"]],
            error_x={"type": "data", "array": 100 * shown["half"]},
            mode="markers",
            marker={"size": 11},
        )
    )
    label = name.replace("&", "&amp;").replace("<", "&lt;")
    figure.update_layout(
        height=190,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": f"probability of {label}, %, with 95 % interval", "range": [0, 100]},
        yaxis={"autorange": "reversed"},
    )
    st.plotly_chart(
        figure, key="proof_chart", config={"displayModeBar": False}, alt=plain(report.sentence)
    )


def _predicted_beside_actual(change: Change, actual: Change) -> None:
    """This very model: probability and loss of the label asked about, told and retrained."""
    st.dataframe(
        pd.DataFrame(
            {
                "this model": ["probability", "loss, nats"],
                "with all rows": [change.before, change.loss_before],
                "without, predicted": [change.after, change.loss_after],
                "± (95 %)": [change.half, change.loss_half],
                "without, retrained": [actual.after, actual.loss_after],
            }
        ),
        hide_index=True, key="proof_change",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("with all rows", "without, predicted", "± (95 %)", "without, retrained")
        },
    )  # fmt: skip


def _show_flip(report: FlipReport) -> None:
    if report.proof is None:
        st.info(plain(report.sentence))
        return
    st.success(f"The smallest set that was found has {report.smallest} rows.")
    _show(report.proof)
