"""Errors: pick a misclassified item, see which training rows helped and which harmed it."""

import pandas as pd
import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.explain.explain import ExplainOptions
from influence_core.workflow.explain.flipped import judged_by
from influence_core.workflow.explain.items import (
    Item,
    find_item,
    labelled_items,
    misclassified,
    predictions,
)
from influence_core.workflow.explain.verdict import doubted_labels
from influence_core.workflow.results import from_hex, to_hex
from influence_core.workflow.review.scores import doubt_of
from influence_core.workflow.session import Session
from influence_core.workflow.slices.selection import cells
from pages.ui.causes import causes_box
from pages.ui.confusion import confusion
from pages.ui.draw import content, numbers
from pages.ui.errors import compare
from pages.ui.errors.behind import behind_view, often_behind
from pages.ui.errors.corrected import corrected_export, corrected_line
from pages.ui.errors.explained import explained, finished_answer, probabilities
from pages.ui.errors.filters import choose, filter_bar, from_address
from pages.ui.errors.item_label import chip, reviews_of
from pages.ui.errors.own import own_item_box
from pages.ui.errors.switches import switches
from pages.ui.frame.hint import hint
from pages.ui.frame.jobs.landed import landed
from pages.ui.frame.menu import menu
from pages.ui.frame.paging import page_of
from pages.ui.frame.shell import get_ready, in_one_sentence, need, need_session, plain
from pages.ui.frame.top import start_at_top
from pages.ui.map import map_view, selected_list

PAGE = 24
VIEWS = {"items": "Items", "rows": "Rows behind most errors"}


def page() -> None:
    """The whole page: the list of errors, or the one that is open."""
    session = need_session()
    split = _choose_split(session)
    wrong = misclassified(session, split)
    key = _opened_key()
    doubt = doubt_of(session)
    if doubt:
        st.warning(plain(doubt))
    if key is None:
        _overview(session, split, wrong)
        own_item_box(session)
    else:
        _opened(session, split, key)
    if st.toggle(
        "Map of the training data", key="map_open", help="Where the training rows lie by what the "
        "encoder sees in them, with the open item and its helpful and harmful rows."
    ):  # fmt: skip
        _map(session, split, key)


def _choose_split(session: Session) -> str:
    names = [name for name in session.project.dataset.splits if name != "train"] or ["train"]
    names.sort(key=lambda name: (name != "test", name))
    with st.sidebar:
        chosen = menu("Split", names, "split", within=session.project.root.name)
    need("split")
    return str(chosen)


def _opened_key() -> int | None:
    text = st.query_params.get("item")
    if not text:
        return None
    try:
        return from_hex(text)
    except DataError:
        st.warning("The link names no item; here is the list instead.")
        return None


def _open(key: int | None) -> None:
    compare.compare_with(None)
    if key is None:
        st.query_params.pop("item", None)
    else:
        st.query_params["item"] = to_hex(key)


def _overview(session: Session, split: str, wrong: pd.DataFrame) -> None:
    table = predictions(session, split)
    known = int((table["label_number"] >= 0).sum())
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.subheader("Errors", width="content")
        view = st.segmented_control(
            "View", list(VIEWS), default="items", required=True, format_func=VIEWS.__getitem__,
            key="errors_view", bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
    if known == 0:
        st.info(f"No item of split {plain(split)} has a label, so none can be wrong.")
        return
    st.caption(
        f"{plain(session.project.name)} · split {plain(split)} · {numbers.count(len(wrong))} of "
        f"{numbers.count(known)} items wrong ({numbers.percent(len(wrong) / known, 1)}) · "
        f"worst first: least probability of the true label by {judged_by(split)}",
        help="Wrong: the most probable class is not the item's label. The percentage on an item is "
        f"the probability of the prediction. Source: softmax of {judged_by(split)}, mean of the "
        "members.",
    )
    greeted = landed(session, split, len(wrong), known)
    corrections = corrected_line(session, split, table)
    if wrong.empty:
        st.success(
            f"Every labelled item of split {plain(split)} is predicted rightly. Look at another "
            "split, or at suspicious training rows on the Labels page."
        )
        return
    if view == "rows":
        behind_view(session, split, _open)
        return
    if not greeted:
        hint("errors")
    items = labelled_items(session, split, from_address(session.classes).which)
    passed = filter_bar(session.classes, items, session.project.dataset.split(split))
    missed = passed[passed["label"] != passed["predicted"]]
    # The list comes first, so that a narrow window, where one stands below the other, begins with
    # it, and no browser keeps it back while it reads the library of charts; the matrix stays in
    # sight beside it.
    listed, matrix = st.columns([5, 3], gap="medium")
    with listed:
        if 0 < len(missed) < len(wrong):
            causes_box(session, split, missed["key"].to_numpy())
        _list(session, split, passed)
    with matrix:
        confusion(
            session.classes, cells(table, len(session.classes)),
            from_address(session.classes).cell,
            lambda true, predicted: choose(true, predicted, session.classes),
        )  # fmt: skip
    corrected_export(session, split, corrections)
    get_ready(session)


def _list(session: Session, split: str, wrong: pd.DataFrame) -> None:
    if wrong.empty:
        st.info("No item passes the filter. Widen it, or look at another split.")
        return
    shown = wrong.iloc[page_of(len(wrong), PAGE, "list_page")]
    data = session.project.dataset.split(split)
    image = data.content_column != "text"
    reviews, doubted = reviews_of(session, split), doubted_labels(session, split, shown)
    with st.grid(columns="auto", min_column_width=130 if image else 280, gap="xsmall"):
        for row in shown.itertuples():
            with st.container(border=True, gap="xxsmall"):
                content.show(data, row.key, alt=f"{row.label}, taken for {row.predicted}")
                chip(reviews.word(row.key), row.key in doubted)
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.markdown(
                        f"{plain(row.label)} → **{plain(row.predicted)}** "
                        f"{numbers.percent(row.confidence)}",
                        width="content",
                    )
                    st.button(
                        "Explain",
                        key=f"open_{to_hex(row.key)}",
                        on_click=_open,
                        args=(row.key,),
                        type="tertiary",
                        icon=":material/search:",
                    )


def _opened(session: Session, split: str, key: int) -> None:
    try:
        item = find_item(session, split, key)
    except DataError as error:
        st.error(plain(str(error)))
        st.button("All errors", key="back", on_click=_open, args=(None,))
        return
    beside = compare.asked()
    start_at_top(f"{split}/{to_hex(key)}/{beside}")
    if beside is not None:
        _compared(session, item, beside)
        return
    data = session.project.dataset.split(split)
    asked = from_address(session.classes)
    _step_buttons(asked.narrow(labelled_items(session, split, asked.which), data), key)
    hint("errors", done=True)
    explained(session, item, often=often_behind(session, split))


def _compared(session: Session, item: Item, key: int) -> None:
    """The open item beside one training row; keys lead back to the lists and to the next row."""
    compare.step_buttons(item.key, key)
    options = switches(session, item)
    compare.side_by_side(session, item, key, options, probabilities, finished_answer)


def _map(session: Session, split: str, key: int | None) -> None:
    """The map; of an open item with its rows marked, by the switches that stand above it."""
    if key is None:
        selected_list(session, map_view(session, key="errors_map"))
        return
    try:
        item = find_item(session, split, key)
    except DataError:
        return  # the page above says so already
    state = st.session_state
    options = ExplainOptions(
        estimator=state["estimator"], toward=state["toward"], among=state["among"]
    )
    answer = finished_answer(session, item, options)
    if answer is None:
        return  # cancelled: the page above offers to go on
    train = session.project.dataset.train
    marks = {
        name: train.positions_of(table["key"].to_numpy()).tolist()
        for name, table in (("helpful (+)", answer.helpful), ("harmful (−)", answer.harmful))
    }
    chosen = map_view(
        session,
        key="errors_map",
        item=item,
        marks=marks,
        influence=answer.scores,
    )
    selected_list(session, chosen)


def _step_buttons(wrong: pd.DataFrame, key: int) -> None:
    keys = [int(k) for k in wrong["key"]]
    place = keys.index(key) if key in keys else None
    before = keys[place - 1] if place else None
    after = keys[place + 1] if place is not None and place + 1 < len(keys) else None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "All errors",
            key="back",
            icon=":material/arrow_back:",
            on_click=_open,
            args=(None,),
            shortcut="Escape",
        )
        st.button(
            "Previous",
            key="previous",
            on_click=_open,
            args=(before,),
            disabled=before is None,
            shortcut="Left",
        )
        st.button(
            "Next",
            key="next",
            on_click=_open,
            args=(after,),
            disabled=after is None,
            shortcut="Right",
        )
        if place is not None:
            st.caption(f"{place + 1} of {len(keys)}, worst first")


with in_one_sentence():
    page()
