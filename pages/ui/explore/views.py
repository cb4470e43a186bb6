"""The views of one selection: classes, cells, confidence, map, and the rows themselves.

Each shows what is selected, and a click in it narrows that for all the others.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from influence_core.workflow.session import Session
from influence_core.workflow.slices.selection import BINS, Selection, View
from pages.ui.confusion import confusion
from pages.ui.draw import content, numbers
from pages.ui.draw.text import plain
from pages.ui.explore.address import MOST_CORNERS, narrow
from pages.ui.frame.paging import page_of
from pages.ui.map import COLOURS, MOST_COLOURS, OTHER, make_button

PAGE = 24
RIGHT, WRONG = "#0072B2", "#D55E00"  # told apart with all common kinds of colour blindness
POINTS = 20_000  # on the map at most
_CLICKS = "explore_clicks"  # each click begins a chart of its own, without the old one's marks


def _key(name: str) -> str:
    return f"explore_{name}_{st.session_state.get(_CLICKS, 0)}"


def classes(view: View, wanted: Selection, table: pd.DataFrame) -> None:
    """Rows, errors, precision, recall, suspicious and decided; a click chooses a class."""
    key = _key("classes")
    share = st.column_config.NumberColumn(format="%.1f %%")
    shown = table.assign(
        **{"class": table["class"].map(content.visible)},
        precision=100 * table["precision"], recall=100 * table["recall"],
    )  # fmt: skip
    if view.split.name != "train":  # flags and decisions are about training rows
        shown = shown.drop(columns=["suspicious", "decided"])
    st.dataframe(
        shown, key=key, hide_index=True, placeholder="–", height=min(36 * len(table) + 38, 330),
        on_select=lambda: _class_clicked(view, wanted, key, table), selection_mode="single-row",
        column_config={"precision": share, "recall": share},
    )  # fmt: skip


def _class_clicked(view: View, wanted: Selection, key: str, table: pd.DataFrame) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    st.session_state[_CLICKS] = st.session_state.get(_CLICKS, 0) + 1
    if rows and rows[0] < len(table):
        name = table["class"].iloc[rows[0]]
        narrow(view, true=() if wanted.true == (name,) else (name,))


def cells(view: View, wanted: Selection, held: np.ndarray) -> None:
    """The same by true and predicted class; a click chooses a cell, right ones too."""
    counts = view.cells(held)
    here = np.flatnonzero(counts.sum(0) + counts.sum(1))
    if not len(here):
        st.caption("No selected row has a label.")
        return
    names = [view.classes[c] for c in here]
    one = len(wanted.true) == len(wanted.predicted) == 1
    cell = (wanted.true[0], wanted.predicted[0]) if one else None

    def choose(true: str, predicted: str) -> None:
        again = cell == (true, predicted)
        narrow(view, true=() if again else (true,), predicted=() if again else (predicted,))

    confusion(names, counts[np.ix_(here, here)], cell, choose)


def confidences(view: View, wanted: Selection, counts: np.ndarray) -> None:
    """How sure the model is, right and wrong; a click chooses a bar."""
    key = _key("confidence")
    middles = (np.arange(BINS) + 0.5) * 100 / BINS
    figure = go.Figure()
    for name, values, colour, shape in (
        ("right", counts[0], RIGHT, ""), ("wrong", counts[1], WRONG, "/"),
    ):  # fmt: skip
        figure.add_bar(
            x=middles, y=values, name=name, marker={"color": colour, "pattern": {"shape": shape}},
            hovertemplate=f"%{{y}} {name} at %{{x:.0f}} %<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        barmode="stack", bargap=0.05, height=190, margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "confidence, %", "range": [0, 100]}, yaxis={"title": "rows"},
        legend={"orientation": "h", "y": 1.15}, dragmode=False, clickmode="event+select",
    )  # fmt: skip
    st.plotly_chart(
        figure, key=key, selection_mode="points", config={"displayModeBar": False},
        on_select=lambda: _bar_clicked(view, key),
        alt="Rows by confidence of the prediction, right and wrong",
    )  # fmt: skip


def _bar_clicked(view: View, key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    st.session_state[_CLICKS] = st.session_state.get(_CLICKS, 0) + 1
    bars = [int(float(point["x"]) * BINS // 100) for point in points]
    if bars:
        narrow(view, low=min(bars) * 100 // BINS, high=(max(bars) + 1) * 100 // BINS)


def place_map(session: Session, view: View, held: np.ndarray) -> None:
    """Where the selected rows lie; a lasso chooses among them."""
    if view.places is None:
        make_button(session, "explore_map")
        return
    choices = ["true class", "right or wrong", *view.split.extra_columns]
    by = st.selectbox(
        "Colour by", choices, key="explore_colour", format_func=content.visible, width=200
    )
    here = np.isfinite(view.places[:, 0])
    rest, own = (np.flatnonzero(here & one)[:POINTS] for one in (~held, held))
    figure = go.Figure()
    _points(figure, view, rest, "not selected", "rgba(150, 150, 150, 0.25)")
    values = _colours(view, by)[own]
    counts = pd.Series(values).value_counts()
    for number, name in enumerate(counts.index[:MOST_COLOURS]):
        _points(figure, view, own[values == name], str(name), COLOURS[number])
    others = ~np.isin(values, list(counts.index[:MOST_COLOURS]))
    if others.any():
        _points(figure, view, own[others], "other", OTHER)
    bare = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(
        height=430, margin={"l": 0, "r": 0, "t": 8, "b": 0}, xaxis=bare,
        yaxis={**bare, "scaleanchor": "x"}, dragmode="lasso", uirevision="map",
        legend={"itemsizing": "constant", "orientation": "h", "y": -0.02},
    )  # fmt: skip
    key = _key("map")
    st.plotly_chart(
        figure, key=key, selection_mode=["lasso", "box"],
        config={"displaylogo": False, "scrollZoom": True}, on_select=lambda: _lassoed(view, key),
        alt=f"Map of {numbers.count(int((held & here).sum()))} selected rows, coloured by {by}",
    )  # fmt: skip
    st.caption("Draw around some to select them.")


def _points(figure: go.Figure, view: View, rows: np.ndarray, name: str, colour: str) -> None:
    assert view.places is not None
    short = content.visible(name if len(name) <= 24 else name[:23] + "…")
    short = short.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%\u200b{")
    figure.add_trace(
        go.Scattergl(
            x=view.places[rows, 0],
            y=view.places[rows, 1],
            mode="markers",
            name=short,
            marker={"color": colour, "size": 5},
            hoverinfo="name",
        )
    )


def _colours(view: View, by: str) -> np.ndarray:
    if by == "right or wrong":
        return np.where(view.wrong(), "wrong", "right").astype(object)
    if by == "true class":
        return view.table["label"].replace("", "none").to_numpy(object)
    return view.values(by)


def _lassoed(view: View, key: str) -> None:
    chosen = st.session_state[key]["selection"]
    st.session_state[_CLICKS] = st.session_state.get(_CLICKS, 0) + 1
    if chosen.get("lasso"):
        x, y = (np.asarray(chosen["lasso"][0][axis], dtype=float) for axis in ("x", "y"))
        every = max(1, -(-len(x) // MOST_CORNERS))
        corners = np.column_stack([x, y])[::every]
    elif chosen.get("box"):
        (x0, x1), (y0, y1) = chosen["box"][0]["x"], chosen["box"][0]["y"]
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float)
    else:
        return
    if len(corners) >= 3:
        narrow(view, area=tuple(corners.ravel().tolist()))


def grid(view: View, positions: np.ndarray) -> None:
    """The selected rows, a page at a time: least probability of the label first."""
    if not len(positions):
        st.info("No row is selected. Clear a filter, or draw a wider lasso.")
        return
    order = positions[np.argsort(view.table["p_label"].to_numpy()[positions], kind="stable")]
    image = view.split.content_column != "text"
    shown = order[page_of(len(order), PAGE, "explore_page")]
    with st.grid(columns="auto", min_column_width=110 if image else 300, gap="xsmall"):
        for position in shown:
            row = view.table.iloc[position]
            label = row["label"] or "no label"
            with st.container(border=True, gap="xxsmall"):
                content.show(
                    view.split, int(view.split.keys[position]), alt=f"Row labelled {label}"
                )
                wrong = row["label"] and row["label"] != row["predicted"]
                arrow = f" → **{plain(row['predicted'])}**" if wrong else ""
                bad = " :material/flag:" if view.suspicious[position] else ""
                st.markdown(
                    f"{plain(label)}{arrow} {numbers.percent(float(row['confidence']))}{bad}"
                )
