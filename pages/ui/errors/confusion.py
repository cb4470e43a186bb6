"""The confusion matrix, and what a click on it means."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.ui.errors.filters import choose

# Pale enough at both ends that the counts stay readable on it, in the light and the dark theme.
SCALE = [[0, "rgba(217, 119, 6, 0)"], [1, "rgba(217, 119, 6, 0.75)"]]
MARKERS = 4_000  # clickable cells at most; the fullest come first
MOST = 40  # classes in one picture; of more, those with the most errors


def confusion(classes: tuple[str, ...], table: pd.DataFrame) -> None:
    """Draw it; a click on a cell sets the filters of both classes."""
    known = table[table["label_number"] >= 0]
    size = len(classes)
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (known["label_number"], known["predicted_number"]), 1)
    shown = most_confused(counts)
    st.plotly_chart(
        figure(tuple(classes[c] for c in shown), counts[np.ix_(shown, shown)]),
        key="confusion",
        on_select=lambda: _clicked([classes[c] for c in shown], classes),
        selection_mode="points",
        config={"displayModeBar": False},
        alt="Confusion matrix: true class by predicted class, number of items",
    )
    part = "" if len(shown) == size else f" The {len(shown)} of {size} classes with most errors."
    st.caption(
        f"Rows are true classes, columns predictions. Click a cell to filter the list.{part}"
    )


def most_confused(counts: np.ndarray, most: int = MOST) -> np.ndarray:
    """Class numbers, ascending: all, or the `most` with the most errors to or from them."""
    wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    return np.sort(np.argsort(-wrong, kind="stable")[:most])


def figure(classes: tuple[str, ...], counts: np.ndarray) -> go.Figure:
    """Errors coloured by share of their true class, the diagonal left pale."""
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
    return out


def _clicked(shown: Sequence[str], classes: Sequence[str]) -> None:
    points = st.session_state["confusion"]["selection"]["points"]
    if points:
        row, column = points[0]["customdata"]
        choose([shown[int(row)]], [shown[int(column)]], classes)
    else:  # a double click clears the choice
        choose([], [], classes)


def _short(name: str, length: int = 18) -> str:
    # Plotly reads a little HTML in labels: a class name must stay a name.
    cut = name if len(name) <= length else name[: length - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;")
