"""The map of the training data: colour by class, suspicion or influence, marks, and a lasso.

The map itself is made by the verb `map`, in a job that this view can start. What is selected with
the lasso is given back as row positions: the Errors page lists them, others may decide on them.
"""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from influence_core.workflow.explain.items import Item
from influence_core.workflow.explain.map import nearest_on_map, read_map
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers
from pages.ui.draw.hover import pictures_on_hover
from pages.ui.draw.text import plain
from pages.ui.frame.jobs import panel as jobs
from pages.ui.frame.paging import page_of

MOST_COLOURS = 12  # classes with a colour of their own; the smaller ones share a grey
# Okabe and Ito's colours and four more, told apart with all common kinds of colour blindness.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
    "#8C6BB1", "#B8A800", "#767676", "#7FBC41", "#8C510A", "#01665E",
)  # fmt: skip
OTHER = "#AAAAAA"
# A mark is a shape with a word in the legend, so that nobody needs its colour.
SHAPES = {
    "open item": ("star", 19, "#C2185B"),
    "helpful (+)": ("triangle-up", 12, "#111111"),
    "harmful (−)": ("triangle-down", 12, "#111111"),
}
HARM_TO_HELP = [[0, "#D55E00"], [0.5, "#BBBBBB"], [1, "#0072B2"]]
_HOVERED = 120  # characters of a sentence that are told on hover
SHOWN = 24  # selected rows that are drawn below the map at a time, unless set otherwise
_HELP = (
    "UMAP of the encoder's features: rows that the encoder finds alike lie close together; "
    "distances between far groups mean little. Source: McInnes, Healy and Melville 2018, arXiv "
    "1802.03426."
)


def map_view(
    session: Session,
    *,
    key: str,
    item: Item | None = None,
    marks: Mapping[str, Sequence[int]] | None = None,
    influence: np.ndarray | None = None,
) -> list[int]:
    """Draw the map, or the button that makes it.

    Args:
        session: the open run.
        key: of the widgets; one map a page needs one.
        item: the open item; it is drawn beside the training row that is nearest to it.
        marks: training rows to mark, by a name of `SHAPES`; those not on the map are left out.
        influence: of every training row on the open item, to colour by.

    Returns:
        Positions of the training rows inside the lasso, ascending.
    """
    places = read_map(session.project, session.run.record.encoder_fingerprint)
    if places is None:
        make_button(session, key)
        return []
    total = len(session.project.dataset.train)
    modes = ["Class", "Suspicion"] + ([] if influence is None else ["Influence"])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        mode = st.segmented_control(
            "Colour by", modes, default="Class", required=True, key=f"{key}_mode", help=_HELP
        )
        st.caption(
            f"{numbers.count(len(places))} of {numbers.count(total)} training rows. Draw around "
            "some to select them; double-click to clear."
        )
    if mode == "Class":
        figure, rows = _by_class(session, places)
    else:
        figure, rows = _by_value(session, places, mode, influence)
    for name, wanted in (marks or {}).items():
        _mark(figure, rows, places[places["position"].isin(wanted)], name)
    if item is not None:
        nearest = nearest_on_map(session, item, places["position"].to_numpy())
        _mark(figure, rows, places.iloc[nearest], "open item")
    _arrange(figure)
    chart = f"{key}_{mode}"  # a selection belongs to the drawing that it was made on
    st.plotly_chart(
        figure, key=chart, on_select="rerun", selection_mode=["lasso", "box"],
        config={"displaylogo": False, "scrollZoom": True},
        alt=f"Map of {numbers.count(len(places))} training rows, coloured by {mode.lower()}",
    )  # fmt: skip
    if session.project.dataset.train.content_column != "text":
        pictures_on_hover(session, chart, rows)
    return selected_rows(st.session_state.get(chart), rows)


def selected_rows(state: Mapping | None, rows: Sequence[np.ndarray]) -> list[int]:
    """Positions of the selected points, ascending: trace number and point number say which."""
    points = state["selection"]["points"] if state else []
    found = set()
    for point in points:
        trace, index = int(point["curve_number"]), int(point["point_index"])
        if trace < len(rows) and index < len(rows[trace]):
            found.add(int(rows[trace][index]))
    return sorted(found)


def selected_list(session: Session, positions: Sequence[int]) -> None:
    """The selected training rows, the most suspicious first."""
    if not positions:
        return
    table = _scores(session).iloc[list(positions)].assign(position=list(positions))
    table = table.sort_values(["flipped_label", "key"])
    per_class = table["label"].value_counts()
    names = ", ".join(
        f"{plain(session.classes[c])} {numbers.count(n)}" for c, n in per_class.items() if c >= 0
    )
    st.markdown(
        f"**{numbers.count(len(table))} training rows selected**: {names}",
        help="Most suspicious first: least probability of the given label by the side of the "
        "network that never saw the row (the flipped side).",
    )
    train = session.project.dataset.train
    image = train.content_column != "text"
    part = page_of(len(table), SHOWN, "selected_page")
    with st.grid(columns="auto", min_column_width=130 if image else 320, gap="xsmall"):
        for row in table.iloc[part].itertuples():
            name = session.classes[row.label] if row.label >= 0 else "none"
            with st.container(border=True, gap="xxsmall"):
                content.show(train, row.key, alt=f"Training row labelled {name}")
                st.markdown(f"**{plain(name)}** {numbers.percent(row.flipped_label)}")


def make_button(session: Session, key: str) -> None:
    """That there is no map yet, and the job that makes it."""
    project = session.project
    job = jobs.latest(project, "map")
    if job is not None and (job.active or job.resumable):
        jobs.watch(project, job.id)
        return
    st.info(
        "There is no map of this data yet. It is made once, in a job: about a minute for 10,000 "
        "rows; you can go on working."
    )
    st.button(
        "Make the map",
        key=f"{key}_make",
        on_click=jobs.begin,
        args=(project, ["map", str(project.root.resolve()), "--run", session.run.id]),
        kwargs={"title": f"Map of {project.name}"},
    )


def _by_class(session: Session, places: pd.DataFrame) -> tuple[go.Figure, list[np.ndarray]]:
    """One trace a class, so that the legend can hide and show it."""
    positions = places["position"].to_numpy()
    labels = session.project.dataset.train.labels[positions]
    sizes = np.bincount(labels[labels >= 0], minlength=len(session.classes))
    own = np.argsort(-sizes, kind="stable")[:MOST_COLOURS]
    groups = [(_short(session.classes[c]), COLOURS[i], labels == c) for i, c in enumerate(own)]
    rest = ~np.isin(labels, own)
    if rest.any():
        groups.append(("other", OTHER, rest))
    figure, rows = go.Figure(), []
    for name, colour, here in groups:
        figure.add_trace(
            go.Scattergl(
                x=places["x"].to_numpy(np.float32)[here],
                y=places["y"].to_numpy(np.float32)[here],
                mode="markers",
                name=name,
                marker={"color": colour, "size": _size(len(places)), "opacity": 0.7},
                hovertext=_hover(session, positions[here]),
                hovertemplate=f"<b>{name}</b><br>%{{hovertext}}<extra></extra>",
            )
        )
        rows.append(positions[here])
    return figure, rows


def _by_value(
    session: Session, places: pd.DataFrame, mode: str, influence: np.ndarray | None
) -> tuple[go.Figure, list[np.ndarray]]:
    positions = places["position"].to_numpy()
    if mode == "Suspicion" or influence is None:
        values = 1.0 - _scores(session)["flipped_label"].to_numpy()[positions]
        title, scale, low, high = "suspicion: 1 − p(given label)", "Cividis", 0.0, 1.0
    else:
        values = influence[positions]
        # The strongest two in a hundred would else leave all others white.
        high = float(np.quantile(np.abs(values), 0.98)) or 1.0
        title, scale, low = "influence, ▲ + helped, ▼ − harmed", HARM_TO_HELP, -high
    signed = mode == "Influence" and influence is not None  # a shape for each sign
    order = np.argsort(np.abs(values), kind="stable")  # the strongest are drawn on top
    trace = go.Scattergl(
        x=places["x"].to_numpy(np.float32)[order],
        y=places["y"].to_numpy(np.float32)[order],
        mode="markers",
        showlegend=False,
        marker={
            "color": values[order].astype(np.float32), "colorscale": scale, "cmin": low,
            "cmax": high, "size": _size(len(places)), "opacity": 0.8,
            "symbol": np.where(values[order] < 0, 6, 5).astype(np.uint8) if signed else "circle",
            "colorbar": {"title": {"text": title, "side": "right"}, "thickness": 12},
        },
        hovertext=_hover(session, positions[order]),
        hovertemplate="%{marker.color:" + ("+.3g" if signed else ".3f")
        + "}<br>%{hovertext}<extra></extra>",
    )  # fmt: skip
    return go.Figure(trace), [positions[order]]


def _mark(figure: go.Figure, rows: list[np.ndarray], here: pd.DataFrame, name: str) -> None:
    symbol, size, colour = SHAPES[name]
    figure.add_trace(
        go.Scatter(
            x=here["x"].to_numpy(np.float32),
            y=here["y"].to_numpy(np.float32),
            mode="markers",
            name=name,
            showlegend=True,
            marker={
                "symbol": symbol, "size": size, "color": colour,
                "line": {"width": 2, "color": "white"},
            },
            hovertemplate=f"{name}<extra></extra>",
        )
    )  # fmt: skip
    rows.append(here["position"].to_numpy())


def _arrange(figure: go.Figure) -> None:
    bare = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(
        height=560,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis=bare,
        yaxis={**bare, "scaleanchor": "x"},
        dragmode="lasso",
        legend={"itemsizing": "constant", "orientation": "h", "y": -0.02},
        uirevision="map",  # the zoom survives a new answer
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _rows_table(root: str, run: str, _session: Session) -> pd.DataFrame:
    return _session.run.table("rows")


def _scores(session: Session) -> pd.DataFrame:
    return _rows_table(str(session.project.root), session.run.id, session)


def _hover(session: Session, positions: np.ndarray) -> list[str]:
    """What a row says, in a few lines; the id of a picture, which a chart cannot draw."""
    train = session.project.dataset.train
    if train.content_column != "text":
        return [_inert(str(train.ids[p])) for p in positions]
    texts = train.texts(positions.tolist())
    return ["<br>".join(map(_inert, wrap(text[:_HOVERED], 60))) for text in texts]


def _size(points: int) -> int:
    return 7 if points < 3_000 else 5 if points < 10_000 else 4


def _short(name: str) -> str:
    # Plotly reads a little HTML and its own templates: a class name must stay a name.
    return _inert(name if len(name) <= 24 else name[:23] + "…")


def _inert(text: str) -> str:
    return (
        content.visible(text).replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%\u200b{")
    )
