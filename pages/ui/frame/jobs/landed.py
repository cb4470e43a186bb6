"""The banner after a first training: how good the model is, and what to do first."""

import streamlit as st

from influence_core.workflow.projects.overview import overview
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.text import plain

LANDED = "landed"  # in the address: the run that was just trained


def landed(session: Session, split: str, wrong: int, known: int) -> bool:
    """Draw it if the open run is the one that the address greets; whether it is drawn.

    Args:
        session: the open run.
        split: that is looked at; `wrong` of its `known` labelled items are predicted wrong.
    """
    if st.query_params.get(LANDED) != session.run.id or not known:
        return False
    suspicious = overview(session.project.root).suspicious or 0
    errors = f"{numbers.count(wrong)} {'error' if wrong == 1 else 'errors'}"
    labels = f"{numbers.count(suspicious)} suspicious {'label' if suspicious == 1 else 'labels'}"
    whose = "Your model" if session.own else "Trained"
    with st.container(border=True, key="landed"):
        told, labels_link, away = st.columns([6, 2, 1], vertical_alignment="center")
        told.markdown(
            f":material/check_circle: **{whose}: {numbers.percent(1 - wrong / known, 1)} of "
            f"{plain(split)} right.** {errors}, {labels}.  \n" + _first(wrong, suspicious)
        )
        if suspicious:
            labels_link.page_link(
                "pages/labels.py", label="Check the labels", icon=":material/label:"
            )
        away.button("Got it", key="landed_away", type="tertiary", on_click=_put_away)
    return True


def _first(wrong: int, suspicious: int) -> str:
    if wrong:
        return "Begin with **Explain** on the first error: it shows the rows that caused it."
    if suspicious:
        return "Nothing is predicted wrong here; begin with the suspicious labels."
    return "Nothing stands out here; look at another split."


def _put_away() -> None:
    st.query_params.pop(LANDED, None)
