"""What to do on a page, in one sentence, until the person has put it away for good."""

import streamlit as st

from influence_core.workflow.projects.hints import put_away, put_hint_away
from influence_core.workflow.results import projects_home
from pages.ui.frame.settings import reviewer

HINTS = {
    "errors": "**Start here:** press **Explain** on an item that the model got wrong; you see the "
    "training rows that pushed it there, and can prove it by retraining without them.",
    "labels": "**Start here:** is the given label right? Press **A** to accept the suggestion, "
    "**K** to keep the label, **X** to exclude the row, **U** if unsure; **Z** takes the last "
    "one back.",
    "cleanse": "**Start here:** choose a target split, find the rows that harm it, try the model "
    "without them, then export. Your own data stays as it is.",
    "trust": "**Start here:** an evaluation retrains on this very data. Its checks tell whether "
    "scores can be believed here, its chart which method predicts retraining best.",
}


def hint(page: str, *, done: bool = False) -> None:
    """Draw the page's hint, with the button that puts it away.

    Args:
        page: a name of `HINTS`.
        done: whether the person has done what it says: then it is put away.
    """
    home, who = projects_home(), reviewer()
    if page in put_away(home, who):
        return
    if done:
        put_hint_away(home, who, page)
        return
    with st.container(border=True, key=f"hint_{page}"):
        told, away = st.columns([6, 1], vertical_alignment="center")
        told.markdown(f":material/lightbulb: {HINTS[page]}")
        away.button(
            "Got it", key=f"hint_{page}_away", type="tertiary", on_click=put_hint_away,
            args=(home, who, page),
        )  # fmt: skip
