"""What may be done about rows of an answer: fix their labels, or leave them out, in one click.

Decisions like any other, through the same desk: they stand on the Labels page, go into the next
cleansing and export, and can be taken back here or there.
"""

import secrets
from collections.abc import Sequence

import numpy as np
import streamlit as st

from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.desk import Desk
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.frame.settings import reviewer
from pages.ui.frame.shell import desk_of, or_toast

_DONE = "acted_on"  # by place, run and keys of the rows: what was stored, the decision's id
_NOTE = "decided with others of its kind"

Asked = tuple[str, str, tuple[int, ...]]


def act_on(
    session: Session,
    keys: Sequence[int],
    bad: frozenset[int],
    *,
    place: str = "act",
    classes: Sequence[str] = (),
) -> str:
    """The buttons; once one was pressed, what it stored and its undo.

    Args:
        session: the open run.
        keys: of the rows.
        bad: keys of rows that look mislabelled.
        place: begins the keys of the widgets.
        classes: that all rows may be relabelled to.

    Returns:
        The class that is chosen for all rows, "" where none is.
    """
    asked = place, session.run.id, tuple(keys)
    told, action = st.session_state.get(_DONE, {}).get(asked, ("", ""))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if told:
            st.markdown(told)
            st.button(
                "Undo", key=f"{place}_undo", on_click=_undo, args=(session, asked, action),
                type="tertiary", icon=":material/undo:",
            )  # fmt: skip
            return ""
        wrong = [key for key in keys if key in bad]
        if wrong or not classes:  # which offer another way
            st.button(
                f"Fix {_rows(len(wrong), 'label')}", key=f"{place}_fix", disabled=not wrong,
                on_click=_act, args=(session, asked, wrong, "accept"),
                help="Those of these rows that look mislabelled get the label that is suggested on "
                "the Labels page.",
            )  # fmt: skip
        st.button(
            f"Leave out {_rows(len(keys), 'row')}", key=f"{place}_leave",
            on_click=_act, args=(session, asked, list(keys), "exclude"),
            help="Decided as excluded; the next cleansing and export leave them out.",
        )  # fmt: skip
        return _relabel_all(session, asked, keys, place, classes) if classes else ""


def _relabel_all(
    session: Session, asked: Asked, keys: Sequence[int], place: str, classes: Sequence[str]
) -> str:
    chosen = st.selectbox(
        "Relabel all as", classes, index=None, key=f"{place}_class", format_func=visible,
        placeholder="Relabel all as …", label_visibility="collapsed", width=170,
    )  # fmt: skip
    if chosen:
        st.button(
            f"Relabel {_rows(len(keys), 'row')}", key=f"{place}_relabel",
            on_click=_act, args=(session, asked, list(keys), "relabel", chosen),
        )  # fmt: skip
    return chosen or ""


def _act(
    session: Session, asked: Asked, keys: list[int], verdict: str, label: str | None = None
) -> None:
    action = secrets.token_hex(8)
    stored = or_toast(_decide, session, keys, verdict, label, action)
    if stored is not None:
        what = {"accept": "relabelled as suggested", "exclude": "left out"}.get(
            verdict, f"relabelled as {plain(label or '')}"
        )
        said = f"Decided: {_rows(stored, 'row')} {what}."
        st.session_state.setdefault(_DONE, {})[asked] = said, action


def _decide(session: Session, keys: list[int], verdict: str, label: str | None, action: str) -> int:
    """Write it as one step; how many rows were decided."""
    desk: Desk = desk_of(session)
    train = session.project.dataset.train
    places = train.positions_of(np.array(keys, dtype=np.uint64)).tolist()
    choices: list[Choice] = desk.bulk(places, verdict, label, note=_NOTE)
    return desk.decide(reviewer(), choices, action)


def _undo(session: Session, asked: Asked, action: str) -> None:
    if or_toast(lambda: desk_of(session).undo(reviewer(), of=action)) is not None:
        st.session_state[_DONE].pop(asked, None)


def _rows(count: int, one: str) -> str:
    return f"{numbers.count(count)} {one}{'s' * (count != 1)}"
