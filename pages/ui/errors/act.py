"""What may be done about verified rows: fix their labels, or leave them out, in one click.

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
from pages.ui.frame.settings import reviewer
from pages.ui.frame.shell import desk_of, or_toast

_DONE = "acted_on"  # run and keys of the rows, what was stored, and the id of the decision
_NOTE = "verified on the Errors page"


def act_on(session: Session, keys: Sequence[int], bad: frozenset[int]) -> None:
    """The two buttons; once one was pressed, what it stored and its undo.

    Args:
        session: the open run.
        keys: of the rows that were left out.
        bad: keys of rows that look mislabelled.
    """
    asked = session.run.id, tuple(keys)
    kept, told, action = st.session_state.get(_DONE, (None, "", ""))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if kept == asked:
            st.markdown(told)
            st.button(
                "Undo", key="act_undo", on_click=_undo, args=(session, action), type="tertiary",
                icon=":material/undo:",
            )  # fmt: skip
            return
        wrong = [key for key in keys if key in bad]
        st.button(
            f"Fix {_rows(len(wrong), 'label')}", key="act_fix", disabled=not wrong,
            on_click=_act, args=(session, asked, wrong, "accept"),
            help="Those of these rows that look mislabelled get the label that is suggested on the "
            "Labels page.",
        )  # fmt: skip
        st.button(
            f"Leave out {_rows(len(keys), 'row')}", key="act_leave",
            on_click=_act, args=(session, asked, list(keys), "exclude"),
            help="Decided as excluded; the next cleansing and export leave them out.",
        )  # fmt: skip


def _act(session: Session, asked: object, keys: list[int], verdict: str) -> None:
    action = secrets.token_hex(8)
    stored = or_toast(_decide, session, keys, verdict, action)
    if stored is not None:
        what = "relabelled as suggested" if verdict == "accept" else "left out"
        said = f"Decided: {_rows(stored, 'row')} {what}."
        st.session_state[_DONE] = asked, said, action


def _decide(session: Session, keys: list[int], verdict: str, action: str) -> int:
    """Write it as one step; how many rows were decided."""
    desk: Desk = desk_of(session)
    train = session.project.dataset.train
    places = train.positions_of(np.array(keys, dtype=np.uint64)).tolist()
    choices: list[Choice] = desk.bulk(places, verdict, note=_NOTE)
    return desk.decide(reviewer(), choices, action)


def _undo(session: Session, action: str) -> None:
    if or_toast(lambda: desk_of(session).undo(reviewer(), of=action)) is not None:
        st.session_state.pop(_DONE, None)


def _rows(count: int, one: str) -> str:
    return f"{numbers.count(count)} {one}{'s' * (count != 1)}"
