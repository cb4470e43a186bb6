"""One item and the training rows that helped or harmed it."""

import uuid
from collections.abc import Mapping
from functools import partial

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence_core.workflow.explain.explain import ExplainOptions, Explanation
from influence_core.workflow.explain.flipped import judged_by
from influence_core.workflow.explain.items import Item
from influence_core.workflow.explain.live import LiveScan
from influence_core.workflow.explain.noise import NoiseCheck, check_noise, has_null
from influence_core.workflow.explain.seen import seen_by_encoder
from influence_core.workflow.explain.verdict import verdict_of
from influence_core.workflow.results import ESTIMATORS, device_name, read_evaluation
from influence_core.workflow.review.nearest import likeness
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers
from pages.ui.errors.compare import remember_lists
from pages.ui.errors.item_label import item_label_box
from pages.ui.errors.proof import proof_box
from pages.ui.errors.scores_file import scores_box
from pages.ui.errors.sides import draw_side
from pages.ui.errors.switches import switches
from pages.ui.frame.jobs.scans import live_scans
from pages.ui.frame.shell import plain

Places = tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]  # status, lists, pulse
_LOOKS_WRONG = (
    "A label looks wrong where the model (of a training row: the side that never saw it) is at "
    "least 95 % sure of another, at least 7 of 10 nearest rows carry that one and at most one "
    "carries its own; and nobody has kept it. Nearest: cosine similarity of the encoder's "
    "features, among at most 20,000 training rows."
)


def explained(
    session: Session,
    item: Item,
    own: str | bytes | None = None,
    often: Mapping[int, int] | None = None,
) -> None:
    """The item pinned on the left, its helpful and harmful rows on the right.

    Args:
        own: the content, if it is the user's own.
        often: key to number of errors, for rows known to stand behind several.
    """
    left, right = st.columns([1, 3], gap="medium")
    with left, st.container(border=True, key="answer_item"):
        _pinned(session, item, own)
    with right:
        # One place each, whatever is quick or slow: the verdict and its proof stand above what is
        # asked, and are known after it.
        said, proof = st.empty(), st.container()
        options = switches(session, item)
        status, lists, pulse = st.empty(), st.empty(), st.empty()
        said.caption("The verdict stands here when all rows are scored.")
        answer = _answer(session, item, options, (status, lists, pulse))
        if answer is None:
            return
        noise = check_noise(session, answer)
        told, _ = _row(status)
        _tell(told, options, _finished(session, answer))
        with said.container():
            bad = _verdict(session, answer, noise)
        with proof:
            proof_box(session, answer)
        with lists.container():
            _lists(session, answer, noise, bad, often)
            if own is None:
                scores_box(session, answer)


def _verdict(session: Session, answer: Explanation, noise: NoiseCheck | None) -> frozenset[int]:
    """Say it; the keys of the rows that look mislabelled."""
    found, near, bad = verdict_of(session, answer, noise)
    st.markdown(found.sentence(lambda name: f"**{plain(name)}**"), help=_LOOKS_WRONG)
    st.caption(plain(near.sentence(session.classes)))
    return bad


def _lists(
    session: Session,
    answer: Explanation,
    noise: NoiseCheck | None,
    bad: frozenset[int] = frozenset(),
    often: Mapping[int, int] | None = None,
) -> None:
    """Both sides, and above them how they compare with noise, where an estimator has a null."""
    if noise is not None:
        (st.success if noise.beyond else st.info)(plain(noise.sentence))
    elif answer.provisional and has_null(session, answer):
        st.info("What stands out from noise is said when all rows are scored.")
    remember_lists(answer.item.key, [*answer.helpful["key"], *answer.harmful["key"]])
    for column, side in zip(st.columns(2, gap="medium"), ("helpful", "harmful"), strict=True):
        with column:
            draw_side(session, answer, side, noise, bad, often or {})


# Answers sooner than this are drawn once, without a provisional list before them.
_AT_ONCE = 0.1
_LISTEN = 0.2  # seconds between looks at whether the viewer has clicked


def _answer(
    session: Session, item: Item, options: ExplainOptions, places: Places
) -> Explanation | None:
    """The finished answer; until it is there, provisional ones are drawn, with Cancel.

    A click on anything else ends this run of the page, and the next question ends the scan. None
    if the viewer has cancelled; what was ranked until then stays on the screen.
    """
    status, lists, pulse = places
    viewer = st.session_state.setdefault("viewer", uuid.uuid4().hex)
    scan = live_scans().ask(viewer, session, item, options)
    if scan.ends_within(_AT_ONCE) and not scan.cancelled:
        return scan.wait()[1]
    seen, answer = scan.wait(timeout=0)
    told, place = _row(status)
    if not scan.cancelled:
        place.button("Cancel", key="cancel_scan", on_click=scan.cancel, icon=":material/stop:")
    drawn, said = None, ""
    while not scan.over:
        if said != (said := _state(scan, answer)):
            _tell(told, options, said)
        if answer is not None and answer.helpful is not drawn:
            drawn = answer.helpful
            with lists.container():
                _lists(session, answer, None)
        seen, answer = scan.wait(seen, _LISTEN)
        # Only where something is sent does a click end this run of the page, and a chunk of a whole
        # network takes seconds.
        pulse.empty()
    if scan.cancelled:
        again = partial(live_scans().forget, viewer)
        told, place = _row(status)
        _tell(told, options, _state(scan, answer))
        place.button("Scan again", key="scan_again", on_click=again)
        if answer is not None and answer.helpful is not drawn:
            with lists.container():
                _lists(session, answer, None)
        return None
    return scan.wait()[1]


def finished_answer(session: Session, item: Item, options: ExplainOptions) -> Explanation | None:
    """The answer that the page shows, not computed again; None if the viewer has cancelled it."""
    pulse = st.empty()
    viewer = st.session_state.setdefault("viewer", uuid.uuid4().hex)
    scan = live_scans().ask(viewer, session, item, options)
    while not scan.over:  # where no list stands above, as beside one training row
        scan.ends_within(_LISTEN)
        pulse.empty()  # a click may end this run of the page
    return None if scan.cancelled else scan.wait()[1]


def _state(scan: LiveScan, answer: Explanation | None) -> str:
    """What is known so far, in one line."""
    if answer is None:
        return "Cancelled." if scan.cancelled else "Preparing the estimator for this run…"
    if answer.instead_of:
        title = ESTIMATORS[answer.options.estimator].title
        if scan.cancelled:
            return f"Cancelled: this is the list of *{plain(title)}*, not the exact one."
        return (
            f"*{plain(title)}* stands here until the exact list is in: "
            f"{numbers.percent(answer.passed)} of the training gone through."
        )
    return (
        f"{'Cancelled at ' if scan.cancelled else ''}{numbers.count(answer.scored)} of "
        f"{numbers.count(answer.total)} rows, provisional"
    )


def _finished(session: Session, answer: Explanation) -> str:
    exact = "The exact list is in. " if session.takes_a_pass(answer.options.estimator) else ""
    placed = f"; {session.placed}" if session.placed else ""
    return (
        f"{exact}{numbers.many(answer.scored, 'row')} scored on "
        f"{plain(device_name(session.device))} in {numbers.milliseconds(answer.milliseconds)}, "
        f"toward **{plain(session.classes[answer.label])}**{placed}{_tuned(session, answer)}."
    )


def _tuned(session: Session, answer: Explanation) -> str:
    """Which settings made the numbers, where an evaluation has chosen them."""
    if not session.settings_of(answer.options.estimator):
        return ""
    found = read_evaluation(session.project.root)
    return "" if found is None else f"; tuned by the evaluation of {numbers.day(found.created)}"


def _pinned(session: Session, item: Item, own: str | bytes | None) -> None:
    if own is not None:
        content.show_own(own)
        if (seen := seen_by_encoder(session, own)) is not None:
            st.image(seen, width=content.THUMB, alt="Your image as the encoder sees it")
            st.caption("As the encoder sees it: size, crop and colours.")
        _compared_with_all(session, item)
    elif item.split is not None and item.key is not None:
        split = session.project.dataset.split(item.split)
        content.show(split, item.key, alt="The item", size=content.LARGE)
        st.caption(f"id {plain(split.ids[split.position(item.key)])}")
    true = "not given" if item.true is None else plain(session.classes[item.true])
    st.markdown(
        f"Its label **{true}**  \nPredicted **{plain(session.classes[item.predicted])}** "
        f"({numbers.percent(float(item.proba.max()), 1)})",
        help=f"Probability by {judged_by(item.split)}. Source: softmax, mean of the members.",
    )
    item_label_box(session, item)
    if item.split == "train":
        st.caption(
            "A training row: the prediction is that of its flipped side, which never saw it. It is "
            "not ranked among its own causes; changes by retraining are those of the full network."
        )
    probabilities(session.classes, item)


def _compared_with_all(session: Session, item: Item) -> None:
    """Whether something of the user's own is like the training data at all."""
    found = likeness(session, item.features)
    (st.warning if found.strange else st.caption)(plain(found.sentence))


def probabilities(classes: tuple[str, ...], item: Item, most: int = 5) -> None:
    """The most probable classes, and the true one in any case."""
    order = [int(c) for c in item.proba.argsort()[::-1][:most]]
    if item.true is not None and item.true not in order:
        order.append(item.true)
    frame = pd.DataFrame(
        {
            "class": [classes[c] for c in order],
            "probability": [100 * float(item.proba[c]) for c in order],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key="probabilities",
        column_config={
            "probability": st.column_config.ProgressColumn(
                "probability", format="%.0f %%", width="small", min_value=0, max_value=100
            )
        },
    )


def _row(status: DeltaGenerator) -> tuple[DeltaGenerator, DeltaGenerator]:
    """The place of what is known of an answer, and beside it that of one button."""
    with status.container():
        told, place = st.columns([5, 1], gap="small")
    # Drawn again, both begin empty: a button that is over must not stay until the page has ended.
    return told.empty(), place.empty()


def _tell(told: DeltaGenerator, options: ExplainOptions, state: str) -> None:
    """Where the answer is; what its method does is told on hover."""
    entry = ESTIMATORS[options.estimator]
    explanation = plain(entry.explanation.replace("\n", " "))
    told.caption(state, help=f"{explanation} Source: {plain(entry.source)}.")
