"""Filters over a list of items: classes, confidence and a piece of text, with counts everywhere.

The address bar holds what is chosen (`?true=…&pred=…&conf=20-90&q=…`), the widgets only show it and
write it back. So a link opens the same list, the list survives an open item, and previous and next
walk through exactly what was on screen. The Errors page and the confusion matrix use it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from influence_core.workflow.explain.items import Which
from influence_core.workflow.results import Split, containing
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain

MOST_CHIPS = 20  # classes; more are chosen from a menu with a search of its own
MOST_TEXT = 200  # characters of a search
WHICH: dict[Which, str] = {"errors": "Wrong", "right": "Right", "all": "All"}
ANY = (0, 100)  # confidence in per cent
_STATE = "filter_"
_PAGE = "list_page"
_PARTS = ("true", "predicted", "confidence", "text", "which")


@dataclass(frozen=True)
class ItemFilter:
    """What is asked for; an empty choice of classes means any.

    Attributes:
        true: names of true classes.
        predicted: names of predicted classes.
        low: least confidence of the prediction, in per cent.
        high: greatest confidence of the prediction, in per cent.
        text: part of the sentence or, for images, of the id.
        which: the wrong items, those that are right, or all.
    """

    true: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()
    low: int = 0
    high: int = 100
    text: str = ""
    which: Which = "errors"

    @property
    def cell(self) -> tuple[str, str] | None:
        """True and predicted class where just one of each is asked for."""
        one = len(self.true) == len(self.predicted) == 1
        return (self.true[0], self.predicted[0]) if one else None

    def masks(self, table: pd.DataFrame, split: Split) -> dict[str, pd.Series]:
        """For each part of the filter, which rows pass it."""
        percent = 100 * table["confidence"]
        out = {
            "true": _among(table["label"], self.true),
            "predicted": _among(table["predicted"], self.predicted),
            "confidence": percent.between(self.low, self.high),
        }
        if self.text.strip():
            found = containing(split, self.text)
            out["text"] = pd.Series(found[split.positions_of(table["key"])], index=table.index)
        return out

    def narrow(self, table: pd.DataFrame, split: Split) -> pd.DataFrame:
        """The rows that pass, in their order."""
        return table[_all(table, self.masks(table, split))]

    def facets(self, table: pd.DataFrame, split: Split) -> dict[str, dict[str, int]]:
        """Rows of every class if only that choice were changed: `true` and `predicted`."""
        masks = self.masks(table, split)
        out = {}
        for part, column in (("true", "label"), ("predicted", "predicted")):
            others = {name: mask for name, mask in masks.items() if name != part}
            out[part] = table.loc[_all(table, others), column].value_counts().to_dict()
        return out


def from_address(classes: Sequence[str]) -> ItemFilter:
    """The filter that the address bar holds; what it cannot mean is left out."""
    asked = st.query_params
    low, high = numbers.percent_range(asked.get("conf", ""))
    return ItemFilter(
        tuple(name for name in asked.get_all("true") if name in classes),
        tuple(name for name in asked.get_all("pred") if name in classes),
        low,
        high,
        asked.get("q", "")[:MOST_TEXT],
        _which(asked.get("which")),
    )


def to_address(wanted: ItemFilter) -> None:
    """Write the filter into the address bar; a part that asks for nothing is left out."""
    confidence = f"{wanted.low}-{wanted.high}" if (wanted.low, wanted.high) != (0, 100) else ""
    parts = {
        "true": list(wanted.true), "pred": list(wanted.predicted),
        "conf": confidence, "q": wanted.text,
        "which": "" if wanted.which == "errors" else wanted.which,
    }  # fmt: skip
    # All at once: every single change would be a step of its own for the back button. A part
    # without a value is not written.
    st.query_params.update({name: value or [] for name, value in parts.items()})
    st.session_state.pop(_PAGE, None)  # the first page of the new list


def filter_bar(classes: Sequence[str], table: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Draw the filters and return the rows that pass them, in their order."""
    wanted = from_address(classes)
    # The address leads: links, the back button and clicks on the matrix reach the widgets so.
    state = st.session_state
    state[f"{_STATE}true"], state[f"{_STATE}predicted"] = list(wanted.true), list(wanted.predicted)
    state[f"{_STATE}confidence"] = (wanted.low, wanted.high)
    state[f"{_STATE}text"] = wanted.text
    state[f"{_STATE}which"] = wanted.which
    facets = wanted.facets(table, split)
    text = split.content_column == "text"
    passed = wanted.narrow(table, split)
    of = "" if len(passed) == len(table) else f" of {numbers.count(len(table))}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filters"):
        st.caption(f"**{numbers.count(len(passed))}**{of} items", width="content")
        st.segmented_control(
            "Items", list(WHICH), format_func=WHICH.__getitem__, required=True,
            key=f"{_STATE}which", on_change=_changed, label_visibility="collapsed",
        )  # fmt: skip
        st.text_input(
            "Search", key=f"{_STATE}text", on_change=_changed, width=180, max_chars=MOST_TEXT,
            placeholder=f"part of the {'sentence' if text else 'id'}",
            label_visibility="collapsed",
        )  # fmt: skip
        chosen = sum(map(bool, (wanted.true, wanted.predicted, (wanted.low, wanted.high) != ANY)))
        title = f"Filters ({chosen})" if chosen else "Filters"
        with st.popover(title, icon=":material/tune:", key="more_filters"):
            _classes("True class", "true", classes, facets["true"])
            _classes("Predicted class", "predicted", classes, facets["predicted"])
            st.slider(
                "Confidence", *ANY, key=f"{_STATE}confidence", format="%d %%", on_change=_changed,
                help="The probability that the model gives to its prediction (softmax of "
                "the full network, mean of its members).",
            )  # fmt: skip
        if wanted != ItemFilter():
            st.button("Clear filters", key="clear", on_click=clear, type="tertiary")
    return passed


def choose(true: str, predicted: str, classes: Sequence[str]) -> None:
    """Choose a cell of the matrix, right ones where it is on the diagonal; again, and it is left.

    The rest of the filter stays as it is.
    """
    now = from_address(classes)
    if now.cell == (true, predicted):
        to_address(replace(now, true=(), predicted=(), which="errors"))
        return
    fits = now.which == "all" or (now.which == "right") == (true == predicted)
    which = now.which if fits else "right" if true == predicted else "errors"
    to_address(replace(now, true=(true,), predicted=(predicted,), which=which))


def clear() -> None:
    """Ask for everything."""
    to_address(ItemFilter())


def _changed() -> None:
    state = st.session_state
    # A click while the page was still being drawn ends that, so that only some of them are there;
    # then nobody has changed anything.
    if any(f"{_STATE}{part}" not in state for part in _PARTS):
        return
    low, high = state[f"{_STATE}confidence"]
    to_address(
        ItemFilter(
            tuple(state[f"{_STATE}true"]),
            tuple(state[f"{_STATE}predicted"]),
            int(low),
            int(high),
            str(state[f"{_STATE}text"] or ""),
            _which(state[f"{_STATE}which"]),
        )
    )


def _classes(label: str, part: str, classes: Sequence[str], counts: dict[str, int]) -> None:
    """Chips for a few classes, a menu that can be searched for many."""
    if len(classes) <= MOST_CHIPS:
        st.pills(
            label, classes, selection_mode="multi", key=f"{_STATE}{part}", on_change=_changed,
            format_func=_named(counts, plain), wrap=True,
        )  # fmt: skip
    else:
        st.multiselect(
            label, classes, key=f"{_STATE}{part}", on_change=_changed,
            format_func=_named(counts, visible), placeholder="any; type to search",
        )  # fmt: skip


def _which(value: object) -> Which:
    """What an address or a browser asks for, if it can be."""
    return next((which for which in WHICH if which == value), "errors")


def _named(counts: dict[str, int], safe: Callable[[str], str]) -> Callable[[str], str]:
    return lambda name: f"{safe(name)} ({numbers.count(counts.get(name, 0))})"


def _among(column: pd.Series, names: Sequence[str]) -> pd.Series:
    return column.isin(names) if names else pd.Series(True, index=column.index)


def _all(table: pd.DataFrame, masks: dict[str, pd.Series]) -> pd.Series:
    passed = pd.Series(True, index=table.index)
    for mask in masks.values():
        passed &= mask
    return passed
