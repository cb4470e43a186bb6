"""Clean data: find what harms a target split, see what would go, try it beside controls, export.

Everything long runs as a job of the same verbs that the command line has, and is kept with the
project: closing the page loses nothing.
"""

import itertools
from contextlib import suppress
from datetime import datetime
from typing import Any

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.jobs import Job
from influence_core.workflow.cleanse.cleansings import Cleansing, list_cleansings, load_cleansing
from influence_core.workflow.cleanse.find_harm import DECISIONS, ROUNDS, CleanseOptions
from influence_core.workflow.cleanse.target_split import ALL, WRONG, TargetSplit
from influence_core.workflow.expected import cleansing_text
from influence_core.workflow.other_splits import labelled_splits, lacks_target_split
from influence_core.workflow.results import ESTIMATORS, saved_slices
from influence_core.workflow.session import Session
from influence_core.workflow.slices.grammar import SAVED
from influence_core.workflow.train.runs.names import run_names
from pages.ui.cleanse.export import export_box
from pages.ui.cleanse.history import history_box
from pages.ui.cleanse.preview import choose_round, preview
from pages.ui.cleanse.trial import trial_box
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.frame.hint import hint
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.frame.jobs.expected import expected
from pages.ui.frame.shell import in_one_sentence, need_session, plain

VERB = "cleanse"
BY = {
    ROUNDS: "Iteratively (recommended)",
    "fraction": "Once, a share of the rows",
    "fdr": "Once, significant rows only (FDR)",
    "count": "Once, a number of rows",
    DECISIONS: "Reviewer decisions only",
}
ALSO = {"": "none", "fraction": "share", "fdr": "significant rows (FDR)", "count": "number"}


def page() -> None:
    """CleanseOptions on top; below it what was found, the trial, and the export."""
    session = need_session()
    project = session.project
    st.subheader("Clean data")
    st.caption(
        "Training rows that raise the loss on the target split. Trust the held-out splits: the "
        "target split is optimistic."
    )
    if session.run.record.finding:
        st.warning(plain(session.run.record.finding))
    names = list_cleansings(project)
    hint("cleanse", done=bool(names))
    job = jobs_ui.latest(project, VERB)
    _ask(session, job)
    if job is not None and job.state != "done":
        jobs_ui.watch(project, job.id)
    history_box(project)
    if not names:
        if labelled_splits(project):
            st.info(
                "Choose a target split and press **Find harmful rows**. Nothing is changed by it."
            )
        return
    name, found = _choose(session, names)
    if found is None:
        return
    number = choose_round(found, name) if found.rounds else None
    edits = found.edits(number)
    if not edits:
        st.info("No row would change. Try another target split, a later round, or a larger share.")
        return
    preview(session, found, edits)
    trial_box(session, name, found, number)
    export_box(session, name, edits, number)


def _ask(session: Session, job: Job | None) -> None:
    """What is asked; as it was the last time, which is what is shown below."""
    if lacking := lacks_target_split(session.project, "Finding harmful rows"):
        st.info(plain(lacking))
        return
    splits = labelled_splits(session.project)
    usual = _usual(session, splits)
    for name, value in {**usual, **_asked(session, job)}.items():
        choices = {"split": splits, "estimator": ESTIMATORS, "by": BY, "also": ALSO}.get(name)
        now = st.session_state.get(f"cleanse_{name}", value)
        st.session_state[f"cleanse_{name}"] = (
            now if choices is None or now in choices else usual[name]
        )
    with st.form("ask", border=True):
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "Target split (improve accuracy on)", splits, key="cleanse_split", width=240,
                help="Rows that raise the loss on this split are harmful.",
            )  # fmt: skip
            st.selectbox(
                "Subset", [ALL, WRONG, *session.classes, *_saved(session, splits)],
                key="cleanse_part", width=180, accept_new_options=True,
                help="All items, the misclassified ones, one class, or a slice that was saved on "
                "Explore. Or type a slice: `column=value` of the source, or `~words` for texts "
                "that contain them.",
            )  # fmt: skip
            st.selectbox(
                "Method", list(ESTIMATORS), key="cleanse_estimator", width=220,
                format_func=lambda n: ESTIMATORS[n].title,
            )  # fmt: skip
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "How", list(BY), format_func=BY.__getitem__, key="cleanse_by", width=280,
                help="Iteratively: the model is retrained after each 2 %, since influence changes "
                "once the worst rows are gone. One ranking beyond 2 % can destroy the model.",
            )  # fmt: skip
            st.number_input(
                "Remove up to, % of the rows", 0.5, 50.0, step=0.5, format="%g",
                key="cleanse_share", width=200,
                help="For 'significant rows only' this is the false-discovery rate, %.",
            )  # fmt: skip
            st.selectbox(
                "Combine with second rule", list(ALSO), format_func=ALSO.__getitem__,
                key="cleanse_also", width=220,
                help="Not for iterative cleaning: rows chosen by either rule go.",
            )  # fmt: skip
            st.number_input(
                "Its share, %", 0.5, 50.0, step=0.5, format="%g", key="cleanse_also_share",
                width=110, help="Share of the rows, or the false-discovery rate.",
            )  # fmt: skip
            st.checkbox(
                "Add reviewer decisions", key="cleanse_decisions",
                help="From the Labels page. Reviewer decisions take precedence over scores.",
            )  # fmt: skip
            st.form_submit_button(
                "Find harmful rows", type="primary", key="cleanse_go", on_click=_begin,
                args=(session,), disabled=job is not None and job.active,
            )  # fmt: skip
    options = CleanseOptions(TargetSplit(usual["split"]), usual["estimator"])
    with suppress(TurnoverError):  # a target split without items is refused when it is used
        expected(cleansing_text(session, options, stored=True))


def _saved(session: Session, splits: list[str]) -> list[str]:
    kept = saved_slices(session.project.root)
    return [f"{SAVED}{one.name}" for one in kept if one.split in splits and one.split != "train"]


def _usual(session: Session, splits: list[str]) -> dict[str, Any]:
    """What is set where nobody has asked yet, by the ends of the widgets' keys."""
    preferred = session.project.settings.target_split
    return {
        "split": preferred if preferred in splits else splits[0],
        "part": ALL, "estimator": session.estimator(many=True), "by": ROUNDS, "share": 10.0,
        "also": "", "also_share": 1.0, "decisions": False,
    }  # fmt: skip


def _asked(session: Session, job: Job | None) -> dict[str, Any]:
    """The same of a job, from what `_begin` told it."""
    if job is None:
        return {}
    told = list(job.arguments[2:])
    values = dict(itertools.pairwise(told))
    names = {"--target-split": "split", "--part": "part", "--estimator": "estimator", "--by": "by"}
    asked = {name: values[option] for option, name in names.items() if option in values}
    amounts = {"share": (asked.get("by"), values.get("--drop"))}
    if "--also" in values:
        asked["also"], _, amount = values["--also"].partition("=")
        amounts["also_share"] = asked["also"], amount
    rows = len(session.evidence)
    for name, (by, amount) in amounts.items():
        with suppress(TypeError, ValueError):  # told nothing, or in another way
            share = 100 * float(amount) / (rows if by == "count" else 1)
            asked[name] = min(max(round(share, 1), 0.5), 50.0)
    return {**asked, "decisions": "--decisions" in told}


def _begin(session: Session) -> None:
    chosen = st.session_state
    by, share = chosen["cleanse_by"], chosen["cleanse_share"] / 100
    amount = max(1, round(share * len(session.evidence))) if by == "count" else share
    arguments = [
        VERB, str(session.project.root.resolve()), "--run", session.run.id,
        "--target-split", chosen["cleanse_split"], "--part", chosen["cleanse_part"],
        "--estimator", chosen["cleanse_estimator"], "--by", by, "--drop", f"{amount:g}",
    ]  # fmt: skip
    if chosen["cleanse_also"]:
        share = chosen["cleanse_also_share"] / 100
        if chosen["cleanse_also"] == "count":
            share = max(1, round(share * len(session.evidence)))
        arguments += ["--also", f"{chosen['cleanse_also']}={share:g}"]
    if chosen["cleanse_decisions"]:
        arguments.append("--decisions")
    title = f"Clean data for {chosen['cleanse_split']}"
    jobs_ui.begin(session.project, arguments, title=title)
    # What comes out is what is shown.
    st.session_state.pop("cleansing", None)


def _choose(session: Session, names: list[str]) -> tuple[str, Cleansing | None]:
    """The newest cleansing, or an earlier one: all are kept."""
    name = st.selectbox("Cleansing", names, key="cleansing", width=260, format_func=_called)
    try:
        found = load_cleansing(session.project, name)
    except TurnoverError as error:
        st.error(plain(str(error)))
        return name, None
    st.caption(
        f"{plain(BY.get(found.by, 'Once: ' + found.by))} by {plain(_method(found))}, for "
        f"**{plain(found.target.split)}** ({plain(found.target.part)}) · "
        f"{numbers.many(len(found.computed), 'row')} by scores, "
        f"{numbers.count(len(found.decided))} by reviewers"
    )
    if found.run != session.run.id:
        names_of = run_names(session.project.runs())
        st.caption(f"Found with run {plain(names_of.get(found.run, found.run))}.")
    return name, found


def _called(name: str) -> str:
    """A cleansing's moment, which its id is made of: "29 Nov, 22:18:07" (UTC, as on Runs)."""
    try:
        when = datetime.strptime(name[:15], "%Y%m%d-%H%M%S")
    except ValueError:
        return visible(name)
    return when.strftime("%d %b, %H:%M:%S").lstrip("0")


def _method(found: Cleansing) -> str:
    method = ESTIMATORS.get(found.estimator)
    return found.estimator if method is None else method.title


with in_one_sentence():
    page()
