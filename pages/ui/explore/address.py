"""The selection in the address bar: `?true=…&pred=…&conf=20-90&q=…&col=shop=x&area=…`.

What stands there leads; the widgets show it and write it back. So a link opens the same selection,
and a click anywhere narrows the one that all views share.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import streamlit as st

from influence_core.workflow.explain.items import Which
from influence_core.workflow.slices.selection import NOTHING, Selection, View
from pages.ui.draw import numbers

MOST_TEXT = 200  # characters of a search
MOST_CORNERS = 40  # of a lasso; more make no better one
_WHICH: tuple[Which, ...] = ("all", "errors", "right")
_PAGE = "explore_page"


def from_address(view: View) -> Selection:
    """What the address asks for; what it cannot mean is left out."""
    asked = st.query_params
    low, high = numbers.percent_range(asked.get("conf", ""))
    columns = view.split.extra_columns
    return Selection(
        next((which for which in _WHICH if which == asked.get("which")), "all"),
        tuple(name for name in asked.get_all("true") if name in view.classes),
        tuple(name for name in asked.get_all("pred") if name in view.classes),
        low,
        high,
        asked.get("q", "")[:MOST_TEXT],
        tuple(part for part in asked.get_all("col") if part.partition("=")[0] in columns),
        asked.get("bad") == "1",
        _corners(asked.get("area", "")),
        asked.get("slice", "")[:MOST_TEXT],
        asked.get("saved", "")[:MOST_TEXT],
    )


def to_address(wanted: Selection) -> None:
    """Write it; a part that asks for nothing is left out."""
    confidence = f"{wanted.low}-{wanted.high}" if (wanted.low, wanted.high) != (0, 100) else ""
    parts: dict[str, Any] = {
        "which": "" if wanted.which == "all" else wanted.which, "true": list(wanted.true),
        "pred": list(wanted.predicted), "conf": confidence, "q": wanted.text,
        "col": list(wanted.columns), "bad": "1" if wanted.suspicious else "",
        "area": ",".join(f"{value:.3g}" for value in wanted.area), "slice": wanted.slice,
        "saved": wanted.saved,
    }  # fmt: skip
    # All at once: every single change would be a step of its own for the back button. A part
    # without a value is not written.
    st.query_params.update({name: value or [] for name, value in parts.items()})
    st.session_state.pop(_PAGE, None)  # the first page of the new list


def narrow(view: View, **parts: Any) -> None:
    """Change parts of the selection; the others stay."""
    to_address(replace(from_address(view), **parts))


def clear() -> None:
    """Ask for everything."""
    to_address(NOTHING)


def _corners(text: str) -> tuple[float, ...]:
    with suppress(ValueError):
        values = tuple(float(part) for part in text.split(",") if part)
        good = 6 <= len(values) <= 2 * MOST_CORNERS and len(values) % 2 == 0
        if good and all(abs(value) < 1e9 for value in values):
            return values
    return ()
