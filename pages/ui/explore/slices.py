"""Slices beside the other views: those that were saved, those that are found; and saving one."""

import numpy as np
import streamlit as st

from influence_core.workflow.explain.live import LiveScan
from influence_core.workflow.results import SavedSlice, delete_slice, save_slice, saved_slices
from influence_core.workflow.session import Session
from influence_core.workflow.slices.find import Slices, find_slices
from influence_core.workflow.slices.saved import kept_slices
from influence_core.workflow.slices.selection import Selection, View
from pages.ui.draw import numbers
from pages.ui.draw.text import plain
from pages.ui.explore.address import MOST_TEXT, narrow
from pages.ui.frame.jobs.scans import live_scans
from pages.ui.frame.shell import or_toast

_SECONDS = 0.5
_FIND, _NAME, _DELETED = "explore_slices", "explore_slice_name", "explore_deleted"


def in_slices(session: Session, view: View, wanted: Selection) -> np.ndarray | None:
    """Positions of the rows in all slices that the selection names; None if it names none."""
    parts = []
    if wanted.slice:
        found = _found(session, view)
        own = [one.items for one in found.found if one.name == wanted.slice] if found else []
        parts.append(own[0] if own else np.zeros(0, np.int64))
    if wanted.saved:
        known = saved_slices(session.project.root, view.split.name)
        kept = [one for one in known if one.name == wanted.saved]
        parts.append(_positions(view, kept[0]) if kept else np.zeros(0, np.int64))
    if not parts:
        return None
    held = parts[0]
    for more in parts[1:]:
        held = np.intersect1d(held, more)
    return held


def save_as_slice(session: Session, view: View, wanted: Selection, positions: np.ndarray) -> None:
    """The button, and where the name is written."""
    with st.popover("Save as slice", icon=":material/bookmark_add:", key="explore_save",
                    disabled=not len(positions)):  # fmt: skip
        st.text_input("Name", key=_NAME, max_chars=MOST_TEXT // 2, placeholder="such as dark coats")
        st.button(
            f"Save {numbers.many(len(positions), 'row')}", key="explore_save_go", type="primary",
            on_click=_save, args=(session, view, wanted, positions),
        )  # fmt: skip
        st.caption(
            "Kept with the project as these very rows, for all runs: opened here, and chosen as "
            "a subset on *Clean data*."
        )


def slices(session: Session, view: View, wanted: Selection) -> None:
    """Saved slices, then those that are found; a click chooses one, again leaves it."""
    with st.container(key="explore_slice_box", gap="xsmall"):
        _saved(session, view, wanted)
        _search(session, view, wanted)


def _save(session: Session, view: View, wanted: Selection, positions: np.ndarray) -> None:
    keys = tuple(int(key) for key in view.split.keys[positions])
    name = str(st.session_state.get(_NAME) or "")
    made = SavedSlice(name, view.split.name, wanted.name(), keys)
    kept = or_toast(save_slice, session.project.root, made)
    if kept is not None:
        st.session_state[_NAME] = ""
        st.toast(f"Saved: {plain(kept.name)}, {numbers.many(len(keys), 'row')}.")


def _saved(session: Session, view: View, wanted: Selection) -> None:
    root = session.project.root
    known = kept_slices(session, view.split.name)
    where, gone = st.session_state.get(_DELETED, ("", None))
    gone = gone if gone and (where, gone.split) == (str(root), view.split.name) else None
    if known or gone:
        st.markdown("**Saved slices**")
    for number, one in enumerate(known):
        share = f" · {numbers.percent(one.wrong / one.labelled)} wrong" if one.labelled else ""
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _slice_button(view, wanted, "saved", one.kept.name, f"explore_saved_{number}")
            st.button(
                "Delete", key=f"explore_delete_{number}", type="tertiary", on_click=_delete,
                args=(session, view, one.kept.name), icon=":material/delete:",
            )  # fmt: skip
        st.caption(f"{numbers.many(one.rows, 'row')}{share} · {plain(one.kept.said)}")
    if gone is not None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f"Deleted: {plain(gone.name)}.", width="content")
            st.button(
                "Undo", key="explore_undelete", type="tertiary", icon=":material/undo:",
                on_click=_undelete, args=(session, gone),
            )  # fmt: skip


def _delete(session: Session, view: View, name: str) -> None:
    gone = or_toast(delete_slice, session.project.root, name)
    if gone is not None:
        st.session_state[_DELETED] = str(session.project.root), gone
        if st.query_params.get("saved") == name:
            narrow(view, saved="")


def _undelete(session: Session, gone: SavedSlice) -> None:
    if or_toast(save_slice, session.project.root, gone) is not None:
        st.session_state.pop(_DELETED, None)


def _positions(view: View, one: SavedSlice) -> np.ndarray:
    return np.flatnonzero(np.isin(view.split.keys, np.array(one.keys, dtype=np.uint64)))


@st.cache_resource(show_spinner=False, max_entries=16)
def _asked(root: str, run: str, split: str, _session: Session) -> LiveScan[Slices]:
    return live_scans().begin(lambda _, stop: find_slices(_session, split, cancel=stop))


def _found(session: Session, view: View) -> Slices | None:
    """The slices of the split if they were looked for and found."""
    scan = _asked(str(session.project.root), session.run.id, view.split.name, session)
    return scan.wait()[1] if scan.over else None


def _search(session: Session, view: View, wanted: Selection) -> None:
    if not st.session_state.get(_FIND) and not wanted.slice:
        st.button(
            "Find slices", key="explore_find", icon=":material/search:",
            on_click=lambda: st.session_state.update({_FIND: True}),
            help="Values of columns, words, length, brightness and kinds of rows on which the "
            "model does worse than their classes explain. What half of all labelled rows finds is "
            "measured on the other half, both ways (SliceLine; intervals are corrected for their "
            "number).",
        )  # fmt: skip
        return
    scan = _asked(str(session.project.root), session.run.id, view.split.name, session)
    if not scan.ends_within(_SECONDS):
        st.fragment(_watch, run_every=_SECONDS)(scan)
        return
    answer = scan.wait()[1]
    if answer is None:
        return
    st.markdown("**Found slices**")
    st.caption(plain(answer.sentence()))
    for number, one in enumerate(answer.found):
        with st.container(gap="xxsmall"):
            _slice_button(view, wanted, "slice", one.name, f"explore_slice_{number}")
            st.caption(plain(f"{one.sentence()} {one.behind()}"))


def _slice_button(view: View, wanted: Selection, part: str, name: str, key: str) -> None:
    chosen = getattr(wanted, part) == name
    st.button(
        plain(name), key=key, type="tertiary", icon=":material/check:" if chosen else None,
        on_click=lambda: narrow(view, **{part: "" if chosen else name}),
    )  # fmt: skip


def _watch(scan: LiveScan[Slices]) -> None:
    if scan.over:
        st.rerun(scope="app")
    st.caption("Looking for slices …")
