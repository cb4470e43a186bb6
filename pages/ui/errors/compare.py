"""One item and one training row side by side, large; `?with=KEY` in the address opens it.

The Errors page shows it in place of the lists, so that the back button and a link come and go the
same way as every other view. A card calls `compare_button`, the page `asked` and `side_by_side`.
"""

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.explain.explain import ExplainOptions, Explanation
from influence_core.workflow.explain.flipped import judged_by
from influence_core.workflow.explain.items import Item, item_content
from influence_core.workflow.explain.one_row import RowScore, score_of
from influence_core.workflow.results import ESTIMATORS, Split, from_hex, to_hex
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers
from pages.ui.draw.difference import differences, draw_words, shared_words
from pages.ui.draw.text import plain
from pages.ui.errors.mark import mark_control

PARAMETER = "with"
_OWN = "own_beside"
_LISTED = "compare_listed"  # key of the open item, and the keys of the rows on its lists
ZOOMED = 512  # pixels of a picture; small ones grow to it without blur
Probabilities = Callable[[tuple[str, ...], Item], None]
Answer = Callable[[Session, Item, ExplainOptions], Explanation | None]


def asked() -> int | None:
    """The training row that the address names; None if it names none that can be one."""
    try:
        return from_hex(st.query_params.get(PARAMETER))
    except DataError:
        return None


def compare_with(key: int | None) -> None:
    """Open the comparison with this training row; None closes it."""
    if key is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = to_hex(key)


def remember_lists(item: int | None, keys: Sequence[int]) -> None:
    """The rows on screen beside an item, so that a comparison leads on to the next of them."""
    st.session_state[_LISTED] = item, [int(key) for key in keys]


def step_buttons(item: int | None, key: int) -> None:
    """Back to the lists, and the rows before and after this one on them."""
    listed_for, keys = st.session_state.get(_LISTED, (None, []))
    place = keys.index(key) if listed_for == item and key in keys else None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back to the rows", key="close_compare", icon=":material/arrow_back:",
            on_click=compare_with, args=(None,), shortcut="Escape",
        )  # fmt: skip
        if place is None:
            return
        for name, step, shortcut in (("Previous row", -1, "Left"), ("Next row", 1, "Right")):
            inside = 0 <= place + step < len(keys)
            st.button(
                name, key=f"compare_step_{step}", on_click=compare_with, shortcut=shortcut,
                args=(keys[place + step] if inside else key,), disabled=not inside,
            )  # fmt: skip
        st.caption(f"{place + 1} of {numbers.many(len(keys), 'row')}")


def own_beside() -> int | None:
    """The training row that something of the user's own, which has no address, stands beside."""
    return st.session_state.get(_OWN)


def _own_with(key: int | None) -> None:
    st.session_state[_OWN] = key


def back_from_own() -> None:
    """Back to the lists of what is the user's own."""
    st.button(
        "Back to the rows", key="close_own_compare", icon=":material/arrow_back:",
        on_click=_own_with, args=(None,),
    )  # fmt: skip


def compare_button(key: int, place: str, *, own: bool = False) -> None:
    """On a card of a training row.

    Args:
        key: of the row.
        place: of the card; the same row may stand in two lists.
        own: whether what is explained is the user's own.
    """
    st.button(
        ":material/compare:", key=f"compare_{place}", args=(int(key),),
        on_click=_own_with if own else compare_with,
        type="tertiary",
        help="This row beside the open item, large, with what both share.",
    )  # fmt: skip


def side_by_side(
    session: Session,
    item: Item,
    key: int,
    options: ExplainOptions,
    probabilities: Probabilities,
    finished: Answer,
) -> None:
    """The item on the left, the training row on the right.

    Args:
        item: of a split, or the user's own.
        key: of the training row.
        options: what the score is asked for.
        probabilities: draws the item's most probable classes.
        finished: gives the answer of all rows, where one row costs as much.
    """
    train = session.project.dataset.train
    try:
        position = train.position(key)
    except DataError as error:
        st.error(plain(str(error)))
        return
    with st.spinner("Scoring this row …"):  # a whole network's gradients take a moment
        whole = (
            finished(session, item, options) if session.takes_a_pass(options.estimator) else None
        )
        score = score_of(session, item, options, position, whole and whole.scores)
    text = train.content_column == "text"
    mine = item_content(session, item)
    pieces = differences(str(mine), train.texts([position])[0]) if text else None
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="compare_item"):
        _open_item(session, item, pieces and pieces[0])
        _item_facts(session, item)
        probabilities(session.classes, item)
    with right, st.container(border=True, key="compare_row"):
        st.markdown(f"**Training row** · id {plain(train.ids[position])}")
        _large(train, key, "Training row", pieces and pieces[1])
        _row_facts(session, position, score, ESTIMATORS[options.estimator].source)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            mark_control(session, key, "compare", leave_out=True)
    if pieces:
        count = shared_words(pieces[0])
        said = (
            f"{numbers.many(count, 'word')} in common, in the same order: **bold and underlined**. "
            "Case and punctuation do not count."
            if count
            else "The two sentences have no word in common."
        )
        st.caption(
            f"{said} Influence does not come from shared words: the encoder compares meanings."
        )


def _open_item(session: Session, item: Item, pieces: list[tuple[str, bool]] | None) -> None:
    if item.split is not None and item.key is not None:
        data = session.project.dataset.split(item.split)
        st.markdown(f"**Open item** · id {plain(data.ids[data.position(item.key)])}")
        _large(data, item.key, "Open item", pieces)
        return
    st.markdown("**Yours**")
    if pieces is None and item.content is not None:
        content.show_own(item.content, ZOOMED)
    elif pieces is not None:
        draw_words(pieces, "words_Open item")


def _large(split: Split, key: int, alt: str, pieces: list[tuple[str, bool]] | None) -> None:
    if pieces is None:
        content.show(split, key, alt=alt, size=ZOOMED)
    else:
        draw_words(pieces, f"words_{alt}")


def _item_facts(session: Session, item: Item) -> None:
    true = "not given" if item.true is None else plain(session.classes[item.true])
    st.markdown(
        f"Its label **{true}**  \nPredicted **{plain(session.classes[item.predicted])}** "
        f"({numbers.percent(float(item.proba.max()), 1)})",
        help=f"Probability by {judged_by(item.split)}. Source: softmax, mean of the members.",
    )


def _row_facts(session: Session, position: int, found: RowScore, source: str) -> None:
    label = int(session.project.dataset.train.labels[position])
    name = plain(session.classes[label]) if label >= 0 else "none"
    of = plain(session.classes[found.label])
    way = "toward" if found.score > 0 else "away from" if found.score < 0 else "neither to nor from"
    st.markdown(
        f"Its label **{name}**  \nPushed **{way} {of}**",
        help=f"Influence on the loss of {of}: "
        f"{plain(numbers.influence(found.score, found.stderr))}, ± standard error where the "
        f"method has one; + lowered it, − raised it. Source: {plain(source)}.",
    )
    row = session.run.table("rows").iloc[position]
    sides = (
        ("flipped: never saw it", row["flipped_label"]),
        ("learned it", row["learned_label"]),
    )
    frame = pd.DataFrame(
        {
            "side": [n for n, _ in sides],
            "p(given label)": [100 * p for _, p in sides],
        }
    )
    st.dataframe(
        frame, hide_index=True, key="compare_sides",
        column_config={
            "p(given label)": st.column_config.ProgressColumn(
                format="%.0f %%", width="small", min_value=0, max_value=100,
                help="A label that only the side that learned it believes was memorised. "
                "Source: flipped side of turn-over dropout (Kobayashi et al. 2020, 2012.04207).",
            )
        },
    )  # fmt: skip
