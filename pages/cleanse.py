"""Cleanse: find what harms a judge, see what would go, try it beside controls, export.

Everything long runs as a job of the same verbs that the command line has, and is kept with the
project: closing the page loses nothing.
"""

from contextlib import suppress

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.influence import ESTIMATORS
from influence_core.workflow.cleanse.cleansings import Cleansing, list_cleansings, load_cleansing
from influence_core.workflow.cleanse.find_harm import DECISIONS, ROUNDS, Question
from influence_core.workflow.cleanse.judge import ALL, WRONG, Judge
from influence_core.workflow.expected import cleansing_text
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
    ROUNDS: "In rounds",
    "fraction": "One shot: a share",
    "fdr": "One shot: beyond noise",
    "count": "One shot: a count",
    DECISIONS: "Reviewers' decisions only",
}
ALSO = {"": "nothing more", "fraction": "a share", "fdr": "beyond noise", "count": "a count"}


def page() -> None:
    """Question on top; below it what was found, the trial, and the export."""
    session = need_session()
    project = session.project
    st.subheader("Cleanse")
    st.caption(
        "Training rows whose presence raises the judge's loss. Rows that the judge chose fit the "
        "judge, so believe the splits that chose nothing."
    )
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
        st.info(
            "Choose a judge and press **Find harmful rows**. Nothing is changed before you say so."
        )
        return
    name, found = _choose(session, names)
    if found is None:
        return
    number = choose_round(found, name) if found.rounds else None
    edits = found.edits(number)
    if not edits:
        st.info("No row would change. Try another judge, a later round, or a wider share.")
        return
    preview(session, found, edits)
    trial_box(session, name, found, number)
    export_box(session, name, edits, number)


def _ask(session: Session) -> None:
    splits = [name for name in session.project.dataset.splits if name != "train"]
    if not splits:
        st.info("A judge needs a second split; make the project again with a valid or test split.")
        st.stop()
    preferred = session.project.settings.judge
    default = session.project.settings.default_estimator or next(iter(ESTIMATORS))
    with st.form("ask", border=True):
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "Judge", splits, index=splits.index(preferred) if preferred in splits else 0,
                key="judge_split", width=200,
                help="The split whose loss says what is harmful.",
            )  # fmt: skip
            st.selectbox(
                "Part", [ALL, WRONG, *session.classes], key="judge_part", width=180,
                accept_new_options=True,
                help="All items, the misclassified ones, or one class. Or type a slice: "
                "`column=value` of the source, or `~words` for texts that contain them.",
            )  # fmt: skip
            st.selectbox(
                "Estimator", list(ESTIMATORS), key="judge_estimator", width=220,
                index=list(ESTIMATORS).index(default),
                format_func=lambda n: ESTIMATORS[n].title,
            )  # fmt: skip
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "How", list(BY), format_func=BY.__getitem__, key="judge_by", width=230,
                help="In rounds the model is retrained after each 2 %, since influence changes "
                "once the worst rows are gone. One ranking beyond 2 % can destroy the model.",
            )  # fmt: skip
            st.number_input(
                "At most, % of the rows", 0.5, 50.0, 10.0, 0.5, key="judge_share", width=180,
                help="For 'beyond noise' this is the false-discovery rate, %.",
            )  # fmt: skip
            st.selectbox(
                "Or also", list(ALSO), format_func=ALSO.__getitem__, key="judge_also", width=150,
                help="A second rule for one shot: rows of either rule go.",
            )  # fmt: skip
            st.number_input(
                "of it, %", 0.5, 50.0, 1.0, 0.5, key="judge_also_share", width=110,
                help="Share of the rows, or the false-discovery rate.",
            )  # fmt: skip
            st.checkbox(
                "Add reviewers' decisions", key="judge_decisions",
                help="From the Labels page. A person's word wins over a score.",
            )  # fmt: skip
            st.form_submit_button(
                "Find harmful rows", type="primary", key="judge_go", on_click=_begin,
                args=(session,),
            )  # fmt: skip
    usual = Question(Judge(preferred if preferred in splits else splits[0]), default)
    with suppress(TurnoverError):  # a judge without items is told when it is asked
        expected(cleansing_text(session, usual, stored=True))


def _begin(session: Session) -> None:
    chosen = st.session_state
    by, share = chosen["judge_by"], chosen["judge_share"] / 100
    amount = round(share * len(session.evidence)) if by == "count" else share
    arguments = [
        VERB, str(session.project.root.resolve()), "--run", session.run.id,
        "--judge", chosen["judge_split"], "--part", chosen["judge_part"],
        "--estimator", chosen["judge_estimator"], "--by", by, "--drop", f"{amount:g}",
    ]  # fmt: skip
    if chosen["judge_also"]:
        share = chosen["judge_also_share"] / 100
        share = round(share * len(session.evidence)) if chosen["judge_also"] == "count" else share
        arguments += ["--also", f"{chosen['judge_also']}={share:g}"]
    if chosen["judge_decisions"]:
        arguments.append("--decisions")
    title = f"Cleanse by {chosen['judge_split']}"
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
        f"{plain(BY.get(found.by, 'One shot: ' + found.by))} by {plain(found.estimator)}, judge "
        f"**{plain(found.judge.split)}** ({plain(found.judge.part)}) · "
        f"{numbers.count(len(found.computed))} rows by scores, "
        f"{numbers.count(len(found.decided))} by reviewers"
    )
    if found.run != session.run.id:
        st.caption(f"Found with run {plain(found.run)}.")
    return name, found


with in_one_sentence():
    page()
