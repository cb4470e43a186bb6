"""The confusion matrix, and what a click on it means; Errors and Explore draw it."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

Choose = Callable[[str, str], None]  # true class, predicted class

# Pale enough at both ends that the counts stay readable on it, in the light and the dark theme.
SCALE = [[0, "rgba(217, 119, 6, 0)"], [1, "rgba(217, 119, 6, 0.75)"]]
MARKERS = 4_000  # clickable cells at most; the fullest come first
_CLICKS = "confusion_clicks"
MOST = 40  # classes in one picture; of more, those with the most errors


def confusion(
    classes: Sequence[str], counts: np.ndarray, cell: tuple[str, str] | None, choose: Choose
) -> None:
    """Draw it.

    Args:
        classes: names.
        counts: (C, C) items by true and predicted class.
        cell: true and predicted class of the cell that has a frame.
        choose: hears which cell was clicked.
    """
    shown = most_confused(counts)
    names = [classes[c] for c in shown]
    marked = tuple(map(names.index, cell)) if cell and {*cell} <= {*names} else None
    # Plotly's own selection would outlive the filter and fade all other counts: each click begins a
    # chart of its own, in which the cell that the filter asks for has a frame.
    key = _key()
    with st.container(key="confusion"):
        st.plotly_chart(
            figure(tuple(names), counts[np.ix_(shown, shown)], marked),
            key=key,
            on_select=lambda: _clicked(key, names, choose),
            selection_mode="points",
            config={"displayModeBar": False},
            alt="Confusion matrix: true class by predicted class, number of items",
        )
    size = len(classes)
    part = "" if len(shown) == size else f" The {len(shown)} of {size} classes with most errors."
    st.caption(
        "Rows are true classes, columns predictions. Click a cell to list its items, right ones "
        f"too; click it again to leave it.{part}"
    )


def most_confused(counts: np.ndarray, most: int = MOST) -> np.ndarray:
    """Class numbers, ascending: all, or the `most` with the most errors to or from them."""
    wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    return np.sort(np.argsort(-wrong, kind="stable")[:most])


def figure(
    classes: tuple[str, ...], counts: np.ndarray, marked: tuple[int, ...] | None = None
) -> go.Figure:
    """Errors coloured by share of their true class, the diagonal left pale.

    Args:
        classes: names.
        counts: (C, C) items by true and predicted class.
        marked: row and column of the cell that has a frame.
    """
    names = [_short(c) for c in classes]
    side = 22 if len(classes) <= 15 else max(8, 450 // len(classes))  # pixels of a cell, about
    row_sums = counts.sum(1, keepdims=True)
    share = counts / np.maximum(row_sums, 1)
    errors = np.where(np.eye(len(classes), dtype=bool), np.nan, share)
    heat = go.Heatmap(
        z=errors,
        x=names,
        y=names,
        colorscale=SCALE,
        showscale=False,
        hoverinfo="skip",
        xgap=1,
        ygap=1,
        zmin=0,
        zmax=max(0.3, float(np.nanmax(errors, initial=0.0))),
    )
    rows, columns = np.nonzero(counts)
    order = np.argsort(-counts[rows, columns])[:MARKERS]
    rows, columns = rows[order], columns[order]
    numbers = counts[rows, columns]
    # Heatmap clicks reach nobody: near-transparent squares on top carry the class numbers.
    markers = go.Scatter(
        x=[names[c] for c in columns],
        y=[names[r] for r in rows],
        mode="markers+text" if len(classes) <= 20 else "markers",
        text=[str(n) for n in numbers],
        textfont={"size": 11},
        marker={"symbol": "square", "size": side, "opacity": 0.02},
        # A list: of an array the browser gives back a mapping, not the two numbers.
        customdata=np.stack([rows, columns], axis=1).tolist(),
        hovertext=[
            f"{names[r]} → {names[c]}: {n}" for r, c, n in zip(rows, columns, numbers, strict=True)
        ],
        hoverinfo="text",
        selected={"marker": {"opacity": 0.25}},
        unselected={"marker": {"opacity": 0.02}},
    )
    out = go.Figure([heat, markers])
    out.update_layout(
        height=min(560, 100 + 24 * len(classes)),
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"type": "category", "title": "predicted", "showgrid": False},
        yaxis={
            "type": "category",
            "title": "true",
            "autorange": "reversed",
            "showgrid": False,
        },
        clickmode="event+select",
        dragmode=False,
    )
    if marked is not None:
        row, column = marked
        out.add_shape(
            type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
            line={"width": 2, "color": "#3278c4"},
        )  # fmt: skip
    return out


def _key() -> str:
    return f"confusion_cells_{st.session_state.get(_CLICKS, 0)}"


def _clicked(key: str, shown: Sequence[str], choose: Choose) -> None:
    if key != _key():  # told twice, while the page before the chart is drawn again
        return
    points = st.session_state[key]["selection"]["points"]
    st.session_state[_CLICKS] = st.session_state.get(_CLICKS, 0) + 1
    if points:
        row, column = points[0]["customdata"]
        choose(shown[int(row)], shown[int(column)])


def _short(name: str, length: int = 18) -> str:
    # Plotly reads a little HTML in labels: a class name must stay a name.
    cut = name if len(name) <= length else name[: length - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;")
