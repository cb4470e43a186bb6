"""Say on the Errors page that a training row's label is wrong; the Labels page knows it at once.

Written through the same desk, so it is a decision like any other: relabelled to the class that the
side which never saw the row finds most probable, and undoable here or there.
"""

import secrets

import streamlit as st

from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.evidence import likely_labels
from influence_core.workflow.session import Session
from pages.ui.draw.text import plain
from pages.ui.frame.settings import reviewer
from pages.ui.frame.shell import desk_of, or_toast

_MARKED = "marked_rows"  # of this browser session: key to (new label, id of the decision)
_NOTE = "marked on the Errors page"


def mark_control(session: Session, key: int, place: str) -> None:
    """On a card of a training row: mark its label wrong, or take that back.

    Args:
        session: the open run.
        key: of the row.
        place: of the card; the same row may stand in two lists.
    """
    marked = st.session_state.setdefault(_MARKED, {})
    if key in marked:
        new, action = marked[key]
        st.caption(f"marked wrong → **{plain(new)}**", width="content")
        st.button(
            "Undo", key=f"unmark_{place}", on_click=_unmark, args=(session, key, action),
            type="tertiary", icon=":material/undo:",
        )  # fmt: skip
        return
    st.button(
        "Wrong label", key=f"mark_{place}", on_click=_mark, args=(session, key), type="tertiary",
        icon=":material/flag:",
        help="Decide that this row's label is wrong: relabelled to the most probable other class. "
        "Change or undo it on the Labels page.",
    )  # fmt: skip


def _mark(session: Session, key: int) -> None:
    action = secrets.token_hex(8)
    new = or_toast(_relabel, session, key, action)
    if new is not None:
        st.session_state.setdefault(_MARKED, {})[key] = new, action


def _relabel(session: Session, key: int, action: str) -> str:
    """Decide for the most probable other class; its name."""
    desk = desk_of(session)
    train = session.project.dataset.train
    position = train.position(key)
    new = desk.classes[likely_labels(session, desk.scores, [position])[0][0][0]]
    desk.decide(reviewer(), [Choice(position, "relabel", new, _NOTE)], action)
    return new


def _unmark(session: Session, key: int, action: str) -> None:
    if or_toast(lambda: desk_of(session).undo(reviewer(), of=action)) is not None:
        st.session_state[_MARKED].pop(key, None)
