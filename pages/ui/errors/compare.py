"""One item and one training row side by side, large; `?with=KEY` in the address opens it.

The Errors page shows it in place of the lists, so that the back button and a link come and go the
same way as every other view. A card calls `compare_button`, the page `asked` and `side_by_side`.
"""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.explain.explain import ExplainOptions, Explanation, Item
from influence_core.workflow.explain.flipped import judged_by
from influence_core.workflow.explain.one_row import RowScore, score_of
from influence_core.workflow.results import ESTIMATORS, Split, from_hex, to_hex
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers
from pages.ui.draw.difference import differences, draw_words, shared_words
from pages.ui.draw.text import plain

PARAMETER = "with"
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


def compare_button(key: int, place: str) -> None:
    """On a card of a training row.

    Args:
        key: of the row.
        place: of the card; the same row may stand in two lists.
    """
    st.button(
        ":material/compare:", key=f"compare_{place}", on_click=compare_with, args=(int(key),),
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
        item: of a split; own sentences have no address.
        key: of the training row.
        options: what the score is asked for.
        probabilities: draws the item's most probable classes.
        finished: gives the answer of all rows, where one row costs as much.
    """
    if item.split is None or item.key is None:
        return
    train = session.project.dataset.train
    try:
        position = train.position(key)
    except DataError as error:
        st.error(plain(str(error)))
        return
    data = session.project.dataset.split(item.split)
    place = data.position(item.key)
    with st.spinner("Scoring this row …"):  # a whole network's gradients take a moment
        whole = (
            finished(session, item, options) if session.takes_a_pass(options.estimator) else None
        )
        score = score_of(session, item, options, position, whole and whole.scores)
    text = train.content_column == "text"
    pieces = differences(data.texts([place])[0], train.texts([position])[0]) if text else None
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="compare_item"):
        st.markdown(f"**Open item** · id {plain(data.ids[place])}")
        _large(data, item.key, "Open item", pieces and pieces[0])
        _item_facts(session, item)
        probabilities(session.classes, item)
    with right, st.container(border=True, key="compare_row"):
        st.markdown(f"**Training row** · id {plain(train.ids[position])}")
        _large(train, key, "Training row", pieces and pieces[1])
        _row_facts(session, position, score, ESTIMATORS[options.estimator].source)
    if pieces:
        count = shared_words(pieces[0])
        st.caption(
            f"{numbers.count(count)} words in common, in the same order: **bold and underlined**. "
            "All other words stand in one sentence only, or elsewhere in the other. Case and "
            "punctuation do not count. Influence does not come from shared words as such: the "
            "encoder compares meanings."
        )


def _large(split: Split, key: int, alt: str, pieces: list[tuple[str, bool]] | None) -> None:
    if pieces is None:
        content.show(split, key, alt=alt, size=ZOOMED)
    else:
        draw_words(pieces, f"words_{alt}")


def _item_facts(session: Session, item: Item) -> None:
    true = "not given" if item.true is None else plain(session.classes[item.true])
    st.markdown(
        f"True label **{true}**  \nPredicted **{plain(session.classes[item.predicted])}** "
        f"({numbers.percent(float(item.proba.max()), 1)})",
        help=f"Probability by {judged_by(item.split)}. Source: softmax, mean of the members.",
    )


def _row_facts(session: Session, position: int, found: RowScore, source: str) -> None:
    label = int(session.project.dataset.train.labels[position])
    name = plain(session.classes[label]) if label >= 0 else "none"
    side = "Helpful" if found.score > 0 else "Harmful" if found.score < 0 else "Neither"
    of = plain(session.classes[found.label])
    st.markdown(
        f"Given label **{name}**  \n**{side}** "
        f"{plain(numbers.influence(found.score, found.stderr))}, toward **{of}**",
        help=f"Influence on the loss of {of}, ± standard error where the estimator has one: "
        f"+ lowered it (helpful), − raised it (harmful). Source: {plain(source)}.",
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
