"""What agents propose: who, what and why, beside the row; to be accepted or rejected by a person.

A proposal counts for nothing before. One step is one action, taken back by one undo; the rows can
be looked at with all their evidence under the filter *proposed*, too.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import streamlit as st

from influence_core.workflow.results import Event, accepted, new_action
from influence_core.workflow.review.desk import Desk
from pages.ui.draw import content, numbers
from pages.ui.frame.paging import page_of
from pages.ui.frame.shell import or_toast, plain

Answer = Callable[..., None]
Kind = Literal["primary", "secondary"]
SHOWN = 12  # rows at a time
_LAST = "proposed_last"  # the latest answer of this browser session: what it was, and its step


def proposed_hint(desk: Desk) -> None:
    """One line where something waits, with the way to it."""
    waiting = desk.proposals.waiting()
    if not waiting:
        return
    who = sorted({event.reviewer for events in waiting.values() for event in events})
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="proposed"):
        st.caption(
            f":material/smart_toy: {_rows(len(waiting))} with a proposal by "
            f"{plain(', '.join(who[:3]))}{' and others' * (len(who) > 3)}; it counts once "
            "somebody accepts it.",
            width="content",
        )
        st.button("Look at them", key="proposed_look", on_click=_look, type="tertiary")


def _look() -> None:
    st.session_state["view"] = "proposed"


def proposed_box(desk: Desk, who: str) -> None:
    """The rows with a proposal, a page at a time, and an answer for one, the page, or all."""
    waiting = desk.proposals.waiting()
    _undo_line(desk, who)
    if not waiting:
        st.info(
            "Nothing is proposed. An agent that `turnover mcp --write` serves proposes decisions; "
            "they are shown here before they count."
        )
        return
    part = page_of(len(waiting), SHOWN, "proposed_page")
    latest = {position: events[-1] for position, events in waiting.items()}
    shown = list(latest)[part]
    here = [latest[position] for position in shown]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{_rows(len(waiting))}** with a proposal")
        these = "this one" if len(here) == 1 else f"these {len(here)}"
        _button(f"Accept {these}", "accept_page", accept, desk, who, here, type="primary")
        if len(here) < len(latest) and st.button(
            f"Accept all {numbers.count(len(latest))} …", key="proposed_accept_all"
        ):
            _confirm(desk, who, list(latest.values()))
        _button(f"Reject {these}", "reject_page", reject, desk, who, here)
    for position in shown:
        _card(desk, who, position, waiting[position])


def _button(name: str, key: str, answer: Answer, *args: object, type: Kind = "secondary") -> None:
    st.button(name, key=f"proposed_{key}", type=type, on_click=or_toast, args=(answer, *args))


def _card(desk: Desk, who: str, position: int, events: list[Event]) -> None:
    train = desk.session.project.dataset.train
    key = int(train.keys[position])
    given = events[-1].decision.old_label or "none"
    picture = train.content_column != "text"
    with st.container(border=True, horizontal=True, gap="medium"):
        with st.container(width=120 if picture else 480):
            content.show(train, key, alt=f"Training row labelled {given}")
        with st.container(gap="xsmall"):
            chance = float(desk.scores.iloc[position]["p_given"])
            likely = (
                "" if math.isnan(chance) else f" · {plain(given)} {numbers.percent(chance)} likely"
            )
            counts = desk.effective(position)
            decided = "" if counts is None else f" · decided so far: {counts.outcome}"
            st.caption(f"id {plain(str(train.ids[position]))}{likely}{decided}")
            for event in events:
                st.markdown(plain(sentence(event)))
                if event.decision.note:
                    st.caption(plain(event.decision.note))
                with st.container(horizontal=True, gap="small"):
                    _button("Accept", f"accept_{event.number}", accept, desk, who, [event])
                    if event is events[-1]:
                        _button("Reject", f"reject_{event.number}", reject, desk, who, events)


def sentence(event: Event) -> str:
    """Proposed by agent:helper: Shirt → Coat."""
    said, given = event.decision, event.decision.old_label or "none"
    what = {
        "relabel": f"{given} → {said.new_label}", "exclude": "exclude", "unsure": "unsure",
        "keep": f"keep {given}",
    }[said.verdict]  # fmt: skip
    return f"Proposed by {event.reviewer}: {what}"


def told(event: Event, classes: Sequence[str]) -> dict[str, Any]:
    """A proposal as plain values for the desk in the browser."""
    said = event.decision
    return {
        "text": content.visible(sentence(event)),
        "note": content.visible(said.note),
        "accepted": accepted(event).note,
        "verdict": said.verdict,
        "label": None if said.new_label is None else classes.index(said.new_label),
    }


@st.dialog("Accept all proposals?")
def _confirm(desk: Desk, who: str, events: list[Event]) -> None:
    st.markdown(f"**{_rows(len(events))}** will be decided as proposed, signed {plain(who)}.")
    st.caption("One undo takes all of it back.")
    if st.button("Accept all", key="proposed_accept_confirmed", type="primary"):
        or_toast(accept, desk, who, events)
        st.rerun()


def accept(desk: Desk, who: str, events: list[Event]) -> None:
    """Decide as proposed, in one step."""
    action = new_action()
    count = desk.decide(who, desk.proposals.choices(events), action)
    st.session_state[_LAST] = (f"{_rows(count)} decided as proposed", action)


def reject(desk: Desk, who: str, events: list[Event]) -> None:
    """Say no to what is proposed about these rows, in one step; they stay as they are."""
    action = new_action()
    count = desk.proposals.reject(who, events, action)
    st.session_state[_LAST] = (f"{_rows(count)} rejected", action)


def _undo_line(desk: Desk, who: str) -> None:
    """What was stored just now, and the way back."""
    if _LAST not in st.session_state:
        return
    what, action = st.session_state[_LAST]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Saved: {what}.", width="content")
        st.button(
            "Undo", key="proposed_undo", type="tertiary", on_click=or_toast,
            args=(_undo, desk, who, action),
        )  # fmt: skip


def _undo(desk: Desk, who: str, action: str) -> None:
    desk.undo(who, of=action)
    del st.session_state[_LAST]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{numbers.count(count)} rows"
