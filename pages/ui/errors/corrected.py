"""What the decisions about a split's labels change: its accuracy, and the split to take away."""

import pandas as pd
import streamlit as st

from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.review.items import Accuracy
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.text import plain
from pages.ui.errors.item_label import reviews_of
from pages.ui.frame.exporting import export_options, made, write_export

_ABOUT = (
    "Labels that reviewers changed count as changed, items that they left out count as none. "
    "Mostly errors are looked at, so the corrected figure is rather too high: a right prediction "
    "whose label is wrong was not looked for. Where reviewers disagree, the label stays."
)


def corrected_line(session: Session, split: str, table: pd.DataFrame) -> Accuracy:
    """The accuracy as labelled and as corrected, once anything is decided."""
    found = reviews_of(session, split).accuracy(table)
    if found.decided or found.disputed:
        parts = (
            (found.changed, "changed"), (found.left_out, "left out"), (found.kept, "kept"),
            (found.disputed, "disputed"),
        )  # fmt: skip
        what = ", ".join(f"{numbers.count(count)} {name}" for count, name in parts if count)
        before, after = (
            numbers.percent(right / known, 1) if known else numbers.NONE
            for right, known in ((found.right, found.known), (found.right_now, found.known_now))
        )
        st.markdown(
            f"Accuracy **{before}** as labelled → **{after}** with corrections ({what})",
            help=_ABOUT,
        )
    return found


def corrected_export(session: Session, split: str, found: Accuracy) -> None:
    """The split with what was decided, every other byte as in the source."""
    if not (found.changed or found.left_out):
        return
    with st.expander(f"Export the corrected split {plain(split)}", icon=":material/download:"):
        st.caption(
            f"{numbers.count(found.changed)} labels changed, {numbers.count(found.left_out)} items "
            "left out; all else is as in the source."
        )
        chosen = export_options(session.project, "items", split)
        if st.button("Export", key="items_go"):
            edits, _ = decided_edits(session.project, split)
            write_export(
                session.project, edits, f"corrected-{split}", chosen, session.run.id, "items"
            )
        made(session.project, "items")
