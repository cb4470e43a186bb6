"""*Causes of these errors*: the kinds of training rows behind what the filters leave.

Found in the background, once for a run and a list of errors, for all viewers. Each kind can be
decided in one step and verified by retraining, as a job.
"""

import hashlib
import json
from collections import OrderedDict
from threading import Event

import numpy as np
import streamlit as st

from influence_core.workflow.explain.groups.behind import counted_by
from influence_core.workflow.explain.groups.causes import Cause, Causes, causes_of
from influence_core.workflow.explain.live import LiveScan
from influence_core.workflow.explain.proof.verify_cause import kept_causes, question_of
from influence_core.workflow.results import ESTIMATORS, to_hex
from influence_core.workflow.session import Session
from pages.ui.act import act_on
from pages.ui.draw import content, numbers
from pages.ui.draw.bar import bar
from pages.ui.draw.text import plain
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.frame.jobs.scans import live_scans

VERB = "causes"
FIRST = 4  # cards before more are asked for
STRIP = 5  # further rows of a card
MEDOID, SMALL = 128, 52  # pixels
MOST = 5_000  # errors that a job can be told by name
_KEPT = 64  # answers held
_AT_ONCE, _SECONDS = 0.5, 0.5

Found = LiveScan[Causes]


@st.cache_resource(show_spinner=False)
def _answers() -> OrderedDict[tuple[str, ...], Found]:
    return OrderedDict()


def causes_box(session: Session, split: str, keys: np.ndarray, noun: str = "error") -> None:
    """The causes of these items, or that they are being looked for.

    Args:
        keys: of the items, all of one split.
        noun: what one of them is called.
    """
    many = len(keys) != 1
    st.markdown(f"#### Causes of {'these' if many else 'this'} {_count(len(keys), noun)}")
    items = session.project.dataset.split(split).positions_of(keys.astype(np.uint64))
    found = _asked(session, split, np.sort(items))
    over = found.ends_within(_AT_ONCE)
    if not over:
        st.fragment(_watch, run_every=_SECONDS)(found)
        return
    answer = found.wait()[1]
    if answer is not None:
        _draw(session, answer, noun)


def _asked(session: Session, split: str, items: np.ndarray) -> Found:
    record, name = session.run.record, counted_by(session)
    own = json.dumps(dict(session.settings_of(name)), sort_keys=True)
    digest = hashlib.blake2b(items.tobytes(), digest_size=16).hexdigest()
    key = (
        str(session.project.root), record.id, str(record.created), str(session.device), split,
        name, own, digest,
    )  # fmt: skip
    answers = _answers()
    if key not in answers or answers[key].failed:
        answers[key] = live_scans().begin(lambda _, stop: _find(session, split, items, name, stop))
        while len(answers) > _KEPT:
            answers.popitem(last=False)
    return answers[key]


def _find(session: Session, split: str, items: np.ndarray, name: str, stop: Event) -> Causes:
    return causes_of(session, split, items, estimator=name, cancel=stop)


def _watch(found: Found) -> None:
    if found.over:
        st.rerun(scope="app")
    st.caption("Looking for the training rows behind them …")


def _draw(session: Session, answer: Causes, noun: str) -> None:
    rows, share = answer.rest
    method = ESTIMATORS[answer.push.estimator]
    toward = answer.named(plain(answer.toward))
    if not answer.found:
        st.info(
            f"No kind of training rows stands out: {_count(rows, 'row')} pushed toward {toward}, "
            "each a little. *Rows behind most errors* lists single ones."
        )
        return
    st.caption(
        f"The training rows that pushed toward {toward}, by what they share. "
        f"{numbers.percent(share)} of the push is spread over {_count(rows, 'other row')}.",
        help=f"Mean influence on these {noun}s, toward what each was taken for; the strongest rows "
        "that made half of it are put together where they share a phrase that others of their "
        "classes hardly use, and else by HDBSCAN on the encoder's features. By the method "
        f"*{plain(method.title)}*: {plain(method.source)}.",
    )
    shown = answer.found
    if len(shown) > FIRST and not st.session_state.get("causes_all"):
        shown = shown[:FIRST]
    with st.grid(columns="auto", min_column_width=420, gap="small"):
        for number, cause in enumerate(shown, 1):
            with st.container(border=True, gap="small", key=f"cause_{number}"):
                _card(session, answer, cause, number, noun)
    if len(answer.found) > FIRST:
        st.toggle(f"All {len(answer.found)} causes", key="causes_all")


def _card(session: Session, answer: Causes, cause: Cause, number: int, noun: str) -> None:
    """What the kind looks like, what it did, and what may be done about it."""
    train = session.project.dataset.train
    keys = [int(key) for key in train.keys[cause.positions]]
    st.markdown(cause.sentence(answer.named(f"*{plain(answer.toward)}*")))
    bar(cause.share, f"{numbers.percent(cause.share, 1)} of the push", "of the whole push")
    medoid = int(train.keys[cause.medoid])
    others = [key for key in keys if key != medoid][:STRIP]
    if train.content_column == "text":
        for key in (medoid, *others[:2]):
            content.show(train, key, alt="Training row")
    else:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
            content.show(train, medoid, alt="The most typical training row", size=MEDOID)
            for key in others:
                content.show(train, key, alt="A further training row", size=SMALL)
    names = ", ".join(
        f"{numbers.count(count)} {plain(name) if name else 'without a label'}"
        for name, count in cause.labels[:4]
    )
    words = f" · words: {', '.join(map(plain, cause.words))}" if cause.words else ""
    st.caption(f"Labelled {names}{words}")
    bad = frozenset(cause.suspicious)
    fix = act_on(session, keys, bad, place=f"cause_{number}", classes=session.classes)
    _verify(session, answer, keys, number, fix, noun)


def _verify(
    session: Session, answer: Causes, keys: list[int], number: int, fix: str, noun: str
) -> None:
    """The button, the job that it starts, and what is known."""
    split, project = answer.push.split, session.project
    items = project.dataset.split(split).keys[answer.push.items].tolist()
    named = ",".join(map(to_hex, items))
    st.button(
        f"Verify with label {plain(fix)}" if fix else "Verify without these rows",
        key=f"cause_verify_{number}", disabled=split == "train" or len(items) > MOST,
        on_click=_begin, args=(session, answer, named, number, fix, noun),
        help="Training rows are learned from, so nothing can be verified on them; choose a group "
        "of another split." if split == "train" else
        "Ten retrainings with all rows, with this change, and without as many random rows of "
        f"the same classes: accuracy on these {noun}s and on all other items, as a job.",
    )  # fmt: skip
    job = jobs_ui.latest(project, VERB, named, f"--verify={number}", session.run.id)
    if job is not None and job.state != "done":
        jobs_ui.watch(project, job.id)
    for kept in kept_causes(project, session.run.id, question_of(split, items, keys)):
        (st.success if kept.helps else st.info)(plain(kept.sentence()))


def _begin(session: Session, answer: Causes, named: str, number: int, fix: str, noun: str) -> None:
    arguments = [VERB, str(session.project.root.resolve()), "--run", session.run.id]
    arguments += ["--split", answer.push.split, "--items", named]
    arguments += ["--estimator", answer.push.estimator, f"--verify={number}"]
    arguments += [f"--fix={fix}"] if fix else []
    jobs_ui.begin(
        session.project, arguments,
        title=f"Verify cause {number} of {_count(len(answer.push.items), noun)}",
    )  # fmt: skip


def _count(count: int, one: str) -> str:
    return f"{numbers.count(count)} {one}{'s' * (count != 1)}"
