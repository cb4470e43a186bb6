"""Clean data: find what harms a target split, see what would go, try it beside controls, export.

Everything long runs as a job of the same verbs that the command line has, and is kept with the
project: closing the page loses nothing.
"""

from contextlib import suppress

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.cleanse.cleansings import Cleansing, list_cleansings, load_cleansing
from influence_core.workflow.cleanse.find_harm import DECISIONS, ROUNDS, CleanseOptions
from influence_core.workflow.cleanse.target_split import ALL, WRONG, TargetSplit
from influence_core.workflow.expected import cleansing_text
from influence_core.workflow.other_splits import labelled_splits, lacks_target_split
from influence_core.workflow.results import ESTIMATORS
from influence_core.workflow.session import Session
from pages.ui.cleanse.export import export_box
from pages.ui.cleanse.preview import choose_round, preview
from pages.ui.cleanse.trial import trial_box
from pages.ui.draw import numbers
from pages.ui.frame import jobs as jobs_ui
from pages.ui.frame.expected import expected
from pages.ui.frame.hint import hint
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
    hint("cleanse")
    job = jobs_ui.latest(project, VERB)
    if job is not None and job.active:
        jobs_ui.watch(project, job.id)
    else:
        _ask(session)
        if job is not None and job.state != "done":
            jobs_ui.watch(project, job.id)
    names = list_cleansings(project)
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


def _ask(session: Session) -> None:
    if lacking := lacks_target_split(session.project, "Finding harmful rows"):
        st.info(plain(lacking))
        return
    splits = labelled_splits(session.project)
    preferred = session.project.settings.target_split
    default = session.estimator(many=True)
    with st.form("ask", border=True):
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "Target split (improve accuracy on)", splits, key="cleanse_split", width=240,
                index=splits.index(preferred) if preferred in splits else 0,
                help="Rows that raise the loss on this split are harmful.",
            )  # fmt: skip
            st.selectbox(
                "Subset", [ALL, WRONG, *session.classes], key="cleanse_part", width=180,
                accept_new_options=True,
                help="All items, the misclassified ones, or one class. Or type a slice: "
                "`column=value` of the source, or `~words` for texts that contain them.",
            )  # fmt: skip
            st.selectbox(
                "Method", list(ESTIMATORS), key="cleanse_estimator", width=220,
                index=list(ESTIMATORS).index(default),
                format_func=lambda n: ESTIMATORS[n].title,
            )  # fmt: skip
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "How", list(BY), format_func=BY.__getitem__, key="cleanse_by", width=280,
                help="Iteratively: the model is retrained after each 2 %, since influence changes "
                "once the worst rows are gone. One ranking beyond 2 % can destroy the model.",
            )  # fmt: skip
            st.number_input(
                "Remove up to, % of the rows", 0.5, 50.0, 10.0, 0.5, key="cleanse_share",
                width=200, help="For 'significant rows only' this is the false-discovery rate, %.",
            )  # fmt: skip
            st.selectbox(
                "Combine with second rule", list(ALSO), format_func=ALSO.__getitem__,
                key="cleanse_also", width=220,
                help="Not for iterative cleaning: rows chosen by either rule go.",
            )  # fmt: skip
            st.number_input(
                "Its share, %", 0.5, 50.0, 1.0, 0.5, key="cleanse_also_share", width=110,
                help="Share of the rows, or the false-discovery rate.",
            )  # fmt: skip
            st.checkbox(
                "Add reviewer decisions", key="cleanse_decisions",
                help="From the Labels page. Reviewer decisions take precedence over scores.",
            )  # fmt: skip
            st.form_submit_button(
                "Find harmful rows", type="primary", key="cleanse_go", on_click=_begin,
                args=(session,),
            )  # fmt: skip
    usual = CleanseOptions(TargetSplit(preferred if preferred in splits else splits[0]), default)
    with suppress(TurnoverError):  # a target split without items is refused when it is used
        expected(cleansing_text(session, usual, stored=True))


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
    name = st.selectbox("Cleansing", names, key="cleansing", width=260)
    try:
        found = load_cleansing(session.project, name)
    except TurnoverError as error:
        st.error(plain(str(error)))
        return name, None
    st.caption(
        f"{plain(BY.get(found.by, 'Once: ' + found.by))} by {plain(found.estimator)}, for "
        f"**{plain(found.target.split)}** ({plain(found.target.part)}) · "
        f"{numbers.count(len(found.computed))} rows by scores, "
        f"{numbers.count(len(found.decided))} by reviewers"
    )
    if found.run != session.run.id:
        st.caption(f"Found with run {plain(found.run)}.")
    return name, found


with in_one_sentence():
    page()
