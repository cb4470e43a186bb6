"""What narrows the selection by hand: right or wrong, classes, confidence, search, columns."""

from collections.abc import Sequence

import streamlit as st

from influence_core.workflow.slices.selection import NOTHING, Selection, View
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.explore.address import MOST_TEXT, clear, narrow

WHICH = {"all": "All", "errors": "Wrong", "right": "Right"}
_STATE = "explore_"


def filter_bar(view: View, wanted: Selection, count: int) -> None:
    """Draw the filters, and the name of what they leave."""
    state = st.session_state
    # The address leads: links, the back button and clicks on other views reach the widgets so.
    state[f"{_STATE}which"], state[f"{_STATE}text"] = wanted.which, wanted.text
    state[f"{_STATE}true"], state[f"{_STATE}predicted"] = list(wanted.true), list(wanted.predicted)
    state[f"{_STATE}confidence"] = (wanted.low, wanted.high)
    state[f"{_STATE}suspicious"] = wanted.suspicious
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            "Rows", list(WHICH), format_func=WHICH.__getitem__, required=True,
            key=f"{_STATE}which", on_change=_changed, args=(view,),
        )  # fmt: skip
        for label, part in (("True class", "true"), ("Predicted", "predicted")):
            st.multiselect(
                label, view.classes, key=f"{_STATE}{part}", on_change=_changed, args=(view,),
                format_func=visible, placeholder="any", width=190,
            )  # fmt: skip
        st.slider(
            "Confidence", 0, 100, key=f"{_STATE}confidence", format="%d %%", on_change=_changed,
            args=(view,), width=150,
        )  # fmt: skip
        st.text_input(
            "Search", key=f"{_STATE}text", max_chars=MOST_TEXT, on_change=_changed, args=(view,),
            placeholder="part of the sentence" if view.split.content_column == "text" else
            "part of the id", width=170,
        )  # fmt: skip
        _columns(view, wanted)
        if view.suspicious.any():
            st.checkbox(
                "Suspicious label", key=f"{_STATE}suspicious", on_change=_changed, args=(view,)
            )
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown(
            f"**{numbers.count(count)}** of {numbers.many(len(view.table), 'row')}: "
            f"{plain(wanted.name())}",
            width="content",
        )
        if wanted != NOTHING:
            st.button("Clear", key=f"{_STATE}clear", on_click=clear, type="tertiary")


def _columns(view: View, wanted: Selection) -> None:
    names = view.split.extra_columns
    if not names:
        return
    state = st.session_state
    column = st.selectbox(
        "Column", names, key=f"{_STATE}column", format_func=visible, width=130,
        help="Columns of the file beside text, label and id.",
    )  # fmt: skip
    key = f"{_STATE}values"
    chosen = [part[len(column) + 1 :] for part in wanted.columns if _of(part) == column]
    choices = view.choices(column)
    state[key] = chosen
    st.multiselect(
        "Values", [*choices, *(one for one in chosen if one not in choices)], key=key,
        format_func=visible, placeholder="any", width=170, on_change=_column_changed,
        args=(view, column, wanted.columns),
    )  # fmt: skip


def _of(part: str) -> str:
    return part.partition("=")[0]


def _column_changed(view: View, column: str, now: Sequence[str]) -> None:
    others = tuple(part for part in now if _of(part) != column)
    values = st.session_state[f"{_STATE}values"]
    narrow(view, columns=(*others, *(f"{column}={value}" for value in values)))


def _changed(view: View) -> None:
    state = st.session_state
    low, high = state[f"{_STATE}confidence"]
    narrow(
        view,
        which=state[f"{_STATE}which"],
        true=tuple(state[f"{_STATE}true"]),
        predicted=tuple(state[f"{_STATE}predicted"]),
        low=int(low),
        high=int(high),
        text=str(state[f"{_STATE}text"] or ""),
        suspicious=bool(state.get(f"{_STATE}suspicious", False)),
    )
