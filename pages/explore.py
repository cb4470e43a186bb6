"""Explore: one selection of rows through grid, map, table of classes, slices and confidence."""

import numpy as np
import streamlit as st

from influence_core.workflow.session import Session
from influence_core.workflow.slices.selection import Selection, View, open_view
from pages.ui.act import act_on
from pages.ui.causes import causes_box
from pages.ui.draw import numbers
from pages.ui.explore import views
from pages.ui.explore.address import from_address
from pages.ui.explore.filters import filter_bar
from pages.ui.explore.slices import in_slices, save_as_slice, slices
from pages.ui.frame.menu import menu
from pages.ui.frame.shell import desk_of, in_one_sentence, need, need_session

MOST = 5_000  # rows that are decided or explained together


@st.cache_resource(max_entries=8, show_spinner="Reading the rows …")
def _view(root: str, run: str, created: str, split: str, mapped: bool, _session: Session) -> View:
    return open_view(_session, split)


def page() -> None:
    session = need_session()
    dataset = session.project.dataset
    names = sorted(dataset.splits, key=lambda name: (name != "test", name != "train", name))
    with st.sidebar:
        split = str(menu("Split", names, "split", within=session.project.root.name))
    need("split")
    run = session.run
    view = _view(
        str(session.project.root), run.id, str(run.record.created), split, _mapped(session), session
    )
    wanted = from_address(view)
    held = view.selected(wanted, in_slices(session, view, wanted))
    positions = np.flatnonzero(held)
    st.subheader("Explore")
    filter_bar(view, wanted, len(positions))
    bar(session, view, wanted, positions)
    with st.grid(columns="auto", min_column_width=420, gap="medium", key="explore_halves"):
        with st.container():
            shown = st.segmented_control(
                "Show", ["Rows", "Map"], default="Rows", required=True, key="explore_show",
                bind="query-params", label_visibility="collapsed",
            )  # fmt: skip
            if shown == "Map":
                views.place_map(session, view, held)
            else:
                views.grid(view, positions)
        with st.container():
            table = st.segmented_control(
                "Table", ["Classes", "Confusion"], default="Classes", required=True,
                key="explore_table", bind="query-params", label_visibility="collapsed",
            )  # fmt: skip
            if table == "Confusion":
                views.cells(view, wanted, held)
            else:
                views.classes(view, wanted, view.per_class(held, _decided(session, view)))
            views.confidences(view, wanted, view.confidences(held))
            slices(session, view, wanted)


def _mapped(session: Session) -> bool:
    from influence_core.workflow.explain.map import map_path

    return map_path(session.project, session.run.record.encoder_fingerprint).is_file()


def _decided(session: Session, view: View) -> np.ndarray:
    if view.split.name != "train":
        return np.zeros(len(view.table), np.bool_)
    return np.asarray(desk_of(session).outcomes() != "")


def bar(session: Session, view: View, wanted: Selection, positions: np.ndarray) -> None:
    """What may be done with all that is selected."""
    keys = [int(key) for key in view.split.keys[positions]]
    few = 0 < len(keys) <= MOST
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="explore_bar"):
        explain = st.toggle(
            f"Explain {numbers.many(len(keys), 'row')}", key="explore_explain", disabled=not few,
            help="The kinds of training rows that pushed them to where the model puts them; each "
            "kind can be decided, and verified by retraining.",
        )  # fmt: skip
        st.download_button(
            "Export CSV", lambda: _csv(view, positions), file_name=f"{view.split.name}.csv",
            key="explore_export", icon=":material/download:", disabled=not keys,
            on_click="ignore",
        )  # fmt: skip
        save_as_slice(session, view, wanted, positions)
        if view.split.name == "train" and few:
            flagged = positions[view.suspicious[positions]]
            bad = frozenset(map(int, view.split.keys[flagged]))
            act_on(session, keys, bad, place="explore_act", classes=session.classes)
        elif view.split.name == "train":
            st.caption(f"Decisions are for 1 to {numbers.count(MOST)} rows at a time.")
        else:
            st.caption("Labels of these items are decided one by one on *Errors*.")
    if explain and few:
        causes_box(session, view.split.name, view.split.keys[positions], "row")


def _csv(view: View, positions: np.ndarray) -> bytes:
    table = view.table.iloc[positions][["id", "label", "predicted", "confidence", "p_label"]]
    table = table.assign(suspicious=view.suspicious[positions])
    if view.split.content_column == "text":
        table = table.assign(text=view.split.texts(positions))
    for name in view.split.extra_columns:
        if name not in table.columns:
            table = table.assign(**{name: view.values(name)[positions]})
    return table.to_csv(index=False).encode("utf-8")


with in_one_sentence():
    page()
