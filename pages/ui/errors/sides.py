"""The rows of one side of an answer as cards, strongest first."""

from collections.abc import Mapping
from math import isnan

import streamlit as st

from influence_core.workflow.explain.explain import Explanation
from influence_core.workflow.explain.noise import NoiseCheck
from influence_core.workflow.explain.proof.change import expected_change
from influence_core.workflow.results import ESTIMATORS
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers
from pages.ui.draw.bar import bar
from pages.ui.draw.text import plain
from pages.ui.errors.compare import compare_button
from pages.ui.errors.mark import mark_control

PICTURE = 128  # pixels


def draw_side(
    session: Session,
    answer: Explanation,
    side: str,
    noise: NoiseCheck | None,
    bad: frozenset[int],
    often: Mapping[int, int],
) -> None:
    """What the rows did, one calibrated figure for the whole list, and a card a row.

    Args:
        session: the open run.
        answer: finished or provisional.
        side: "helpful" or "harmful".
        noise: what the answer's method says of chance, if it can.
        bad: keys of rows that look mislabelled.
        often: key to number of errors, for rows known to stand behind several.
    """
    asked = plain(session.classes[answer.label])
    table = answer.helpful if side == "helpful" else answer.harmful
    part = f"_of_{answer.scored}" if answer.provisional else ""  # both are drawn in one run
    source = ESTIMATORS[answer.options.estimator].source
    about = (
        f"A bar is the row's influence on the loss of {asked} beside that of the strongest row of "
        "the list; the score itself is told on hover, ± one standard error where the method has "
        "one. Of the rows that stand out, at most one in ten would do so by chance "
        f"(false-discovery rate). Source: {plain(source)}."
    )
    st.markdown(_heading(answer, side, asked), help=about)
    if session.takes_a_pass(answer.instead_of or answer.options.estimator):
        st.caption(_without(session, answer, side, len(table)))
    if table.empty:
        st.info("No training row on this side.")
        return
    train = session.project.dataset.train
    image = train.content_column != "text"
    strongest = float(table["influence"].abs().max()) or 1.0
    with st.grid(
        columns="auto" if image else 1, min_column_width=150 if image else 200, gap="xsmall"
    ):
        for row in table.itertuples():
            with st.container(border=True, gap="xxsmall", key=f"{side}_{row.rank}{part}"):
                content.show(
                    train, row.key, alt=f"Training row {row.id}, labelled {row.label}", size=PICTURE
                )
                st.markdown(f"{row.rank} · **{plain(row.label)}**{_beyond(row.key, noise)}")
                bar(
                    abs(row.influence) / strongest,
                    f"influence {numbers.influence(row.influence, row.stderr)}",
                    "of the strongest row",
                )
                if int(row.key) in bad:
                    st.badge("looks mislabelled", icon=":material/flag:", color="orange")
                if int(row.key) in often:
                    st.badge(f"behind {numbers.count(often[int(row.key)])} errors", color="gray")
                with st.container(horizontal=True, gap="small"):
                    compare_button(row.key, f"{side}_{row.rank}{part}", own=answer.item.key is None)
                    mark_control(session, int(row.key), f"{side}_{row.rank}{part}")


def _heading(answer: Explanation, side: str, asked: str) -> str:
    """What the rows of a list did, in the words of the question."""
    of = answer.item
    if of.true is None or of.true == of.predicted:
        whose = ""
    else:
        whose = " (the mistake)" if answer.label == of.predicted else " (its label)"
    return f"**Pushed {'toward' if side == 'helpful' else 'away from'} {asked}**{whose}"


def _without(session: Session, answer: Explanation, side: str, count: int) -> str:
    """The probability without the listed rows; the line is there before the figure is."""
    if answer.effects is None or not count:
        return "Without these rows: told with the exact list."
    change = expected_change(session, answer.effects, side, count)
    half = " (how far off is not known yet)" if isnan(change.half) else f" (± {change.half:.2f})"
    rows = "this row" if count == 1 else f"these {count} rows"
    return f"Without {rows}: {change.before:.2f} → about {change.after:.2f}{half}"


def _beyond(key: int, noise: NoiseCheck | None) -> str:
    if noise is None:
        return ""
    stands_out = int(key) in noise.beyond
    return " · stands out" if stands_out else " · not distinguishable from chance"
