"""Decide about a training row on the Errors page; the Labels page knows it at once.

Written through the same desk, so it is a decision like any other: relabelled to the class that the
side which never saw the row finds most probable, or left out, and undoable here or there.
"""

import secrets
from collections.abc import Callable

import streamlit as st

from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.evidence import likely_labels
from influence_core.workflow.session import Session
from pages.ui.draw.text import plain
from pages.ui.frame.settings import reviewer
from pages.ui.frame.shell import desk_of, or_toast

_MARKED = "marked_rows"  # of this browser session: key to (what was said, id of the decision)
_NOTE = "marked on the Errors page"


def is_marked(key: int) -> bool:
    """Whether this browser session has decided about the row on this page."""
    return key in st.session_state.get(_MARKED, {})


def mark_control(session: Session, key: int, place: str, *, leave_out: bool = False) -> None:
    """On a card of a training row: mark its label wrong, or take that back.

    Args:
        session: the open run.
        key: of the row.
        place: of the card; the same row may stand in two lists.
        leave_out: offer that, too.
    """
    if is_marked(key):
        said, action = st.session_state[_MARKED][key]
        st.caption(said, width="content")
        st.button(
            "Undo", key=f"unmark_{place}", on_click=_unmark, args=(session, key, action),
            type="tertiary", icon=":material/undo:",
        )  # fmt: skip
        return
    st.button(
        "Wrong label", key=f"mark_{place}", on_click=_mark, args=(session, key, _relabel),
        type="tertiary", icon=":material/flag:",
        help="Decide that this row's label is wrong: relabelled to the most probable other class. "
        "Change or undo it on the Labels page.",
    )  # fmt: skip
    if leave_out:
        st.button(
            "Leave out", key=f"leave_{place}", on_click=_mark, args=(session, key, _exclude),
            type="tertiary", icon=":material/block:",
            help="Decide that this row is left out of the next cleansing and export. Change or "
            "undo it on the Labels page.",
        )  # fmt: skip


def _mark(session: Session, key: int, decide: Callable[[Session, int, str], str]) -> None:
    action = secrets.token_hex(8)
    said = or_toast(decide, session, key, action)
    if said is not None:
        st.session_state.setdefault(_MARKED, {})[key] = said, action


def _relabel(session: Session, key: int, action: str) -> str:
    """Decide for the most probable other class; what was said."""
    desk = desk_of(session)
    position = session.project.dataset.train.position(key)
    new = desk.classes[likely_labels(session, desk.scores, [position])[0][0][0]]
    desk.decide(reviewer(), [Choice(position, "relabel", new, _NOTE)], action)
    return f"marked wrong → **{plain(new)}**"


def _exclude(session: Session, key: int, action: str) -> str:
    """Decide to leave the row out; what was said."""
    position = session.project.dataset.train.position(key)
    desk_of(session).decide(reviewer(), [Choice(position, "exclude", None, _NOTE)], action)
    return "left out"


def _unmark(session: Session, key: int, action: str) -> None:
    if or_toast(lambda: desk_of(session).undo(reviewer(), of=action)) is not None:
        st.session_state[_MARKED].pop(key, None)
