"""Labels: go through suspicious training rows, see the evidence, decide; nothing is lost."""

import secrets
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st

from influence_core.workflow.review.desk import Desk
from influence_core.workflow.review.queue import STATES, QueueFilter
from pages.ui.draw import numbers
from pages.ui.frame.hint import hint
from pages.ui.frame.people.who import ask_name
from pages.ui.frame.settings import reviewer
from pages.ui.frame.shell import desk_of, in_one_sentence, need_session, plain
from pages.ui.labels.bulk import grid
from pages.ui.labels.copies import copies_box, copy_sentences
from pages.ui.labels.desk import Queue, desk_component
from pages.ui.labels.proposed import proposed_box, proposed_hint
from pages.ui.labels.side import exchange_box, progress_box
from pages.ui.map import map_view

VIEWS = {
    "one": "Single",
    "many": "Grid",
    "map": "Map",
    "copies": "Duplicates",
    "proposed": "Proposed",
}
ANY = "any"


def page() -> None:
    """Filters, the desk, and how far the reviewers are."""
    session = need_session()
    with st.empty():  # of the spinner, see need_session
        desk = desk_of(session)
    desk.refresh()
    if not ask_name():
        return
    who = reviewer()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.subheader("Labels", width="content")
        view = st.segmented_control(
            "View",
            list(VIEWS),
            default="one",
            required=True,
            format_func=VIEWS.__getitem__,
            key="view",
            bind="query-params",
            label_visibility="collapsed",
        )
        if view in ("one", "many"):
            _which_rows(desk)
        wanted = _current() if view in ("copies", "proposed") else _filters(desk)
    flagged = int(desk.scores["flagged"].sum())
    st.caption(
        f"{numbers.count(len(desk.scores))} training rows, {numbers.count(flagged)} flagged · "
        f"signed in as **{plain(who)}**{_how_good(desk)}",
        help="Flagged: the side of the network that never saw the row (flipped) predicts another "
        "label, and the row is among the most suspicious, as many as labels are probably wrong. "
        "Percentages beside labels are flipped-side probabilities. Source: Kobayashi et al. 2020, "
        "arXiv 2012.04207.",
    )
    if view == "copies":
        copies_box(desk, who)
        return
    if view == "proposed":
        proposed_box(desk, who)
        return
    proposed_hint(desk)
    if view == "map":
        _on_map(desk, wanted, who)
        exchange_box(desk, who)
        return
    queue = _queue(desk, wanted)
    if not len(queue.positions):
        st.info(
            "No flagged row is left here. Choose *All rows*, or widen the filters."
            if wanted.flagged
            else "No row passes this filter. Widen it, or choose the rows that are decided."
        )
    elif view == "many":
        grid(desk, queue, who)
        progress_box(desk)
    else:
        _one(desk, queue, who)
    hint("labels", done=bool(desk.undoable(who)))
    exchange_box(desk, who)


def _how_good(desk: Desk) -> str:
    """What the flags can be believed for; in a box of its own only where there are none."""
    said = plain(" ".join(desk.skill.sentences(desk.classes)))
    if desk.skill.learned:
        return f" · {said}"
    st.warning(said)
    return ""


@st.fragment
def _one(desk: Desk, queue: Queue, who: str) -> None:
    desk_component(desk, queue, who, copy_sentences(desk))
    progress_box(desk)


def _on_map(desk: Desk, wanted: QueueFilter, who: str) -> None:
    """The rows inside the lasso that pass the filters, to be decided together."""
    inside = map_view(desk.session, key="labels_map")
    if not inside:
        progress_box(desk)
        return
    # Whoever draws around rows asks for them, flagged or not.
    queue = _queue(desk, replace(wanted, flagged=False), tuple(inside))
    st.markdown(
        f"**{numbers.count(len(inside))}** training rows inside the lasso, "
        f"**{numbers.count(len(queue.positions))}** of them pass the filters above"
    )
    if len(queue.positions):
        grid(desk, queue, who, "All inside the lasso")
    else:
        st.info("No selected row passes the filters. Widen them, or select other rows.")
    progress_box(desk)


def _which_rows(desk: Desk) -> None:
    """The queue is what is flagged; all rows on request, or where nothing is."""
    st.segmented_control(
        "Rows", list(ROWS), default="flagged" if desk.scores["flagged"].any() else "all",
        required=True, format_func=ROWS.__getitem__, key="label_rows", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip


def _filters(desk: Desk) -> QueueFilter:
    """The drawer of filters; each choice shows how many rows it would leave."""
    narrowed = sum(
        st.session_state.get(f"label_{name}", usual) != usual for name, usual in _USUAL.items()
    )
    title = f"Filters ({narrowed})" if narrowed else "Filters"
    with st.popover(title, icon=":material/tune:", key="label_filters"):
        facets = desk.facets(_current())

        def named(facet: str) -> Callable[[str], str]:
            counts = facets[facet]
            return lambda name: (
                name if name == ANY else f"{name} ({numbers.count(counts.get(name, 0))})"
            )

        st.selectbox("Status", STATES, key="label_state", format_func=named("state"))
        classes = [ANY, *desk.classes]
        st.selectbox("Given", classes, key="label_given", format_func=named("given"))
        st.selectbox("Suggested", classes, key="label_suggested", format_func=named("suggested"))
        st.slider(
            "Probability of the given label", 0.0, 1.0, (0.0, 1.0), 0.01, key="label_range",
            help="By the side of the network that never saw the row.",
        )  # fmt: skip
        st.text_input("Search", key="label_text", placeholder="part of the text")
    st.button("Refresh", key="label_refresh", on_click=_refresh, help=_REFRESH)
    return _current()


_USUAL = {
    "state": STATES[0], "given": ANY, "suggested": ANY, "range": (0.0, 1.0), "text": "",
}  # fmt: skip
ROWS = {"flagged": "Flagged", "all": "All rows"}
_REFRESH = "The order stays put while you decide; this sorts decided rows out of it."


def _refresh() -> None:
    st.session_state["label_version"] = st.session_state.get("label_version", 0) + 1


def _current() -> QueueFilter:
    state = st.session_state
    low, high = state.get("label_range", (0.0, 1.0))
    chosen = {name: state.get(f"label_{name}", ANY) for name in ("given", "suggested")}
    return QueueFilter(
        **{name: "" if value == ANY else value for name, value in chosen.items()},
        state=state.get("label_state", STATES[0]),
        low=low,
        high=high,
        text=state.get("label_text", ""),
        # What is decided was asked for by its status.
        flagged=state.get("label_rows") == "flagged"
        and state.get("label_state", STATES[0]) == STATES[0],
    )


def _queue(desk: Desk, wanted: QueueFilter, inside: tuple[int, ...] | None = None) -> Queue:
    """The rows that passed when the filter was set; the order stays put while deciding.

    Args:
        desk: of the open run.
        wanted: the filter.
        inside: only these rows, if given.
    """
    state = st.session_state
    version = state.get("label_version", 0)
    asked = (
        str(desk.session.project.root),
        desk.session.run.id,
        desk.ranking,
        wanted,
        version,
        inside,
    )
    kept = state.get("label_queue")
    if kept is None or kept[0] != asked:
        passed = desk.queue(wanted)
        if inside is not None:
            passed = passed[np.isin(passed, inside)]
        kept = (asked, Queue(secrets.token_hex(8), passed, wanted.flagged))
        state["label_queue"] = kept
    return kept[1]


with in_one_sentence():
    page()
