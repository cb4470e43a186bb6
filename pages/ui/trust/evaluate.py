"""Evaluate from the Trust page: what to measure, the job, and figures as they are stored."""

import streamlit as st

from influence_core.workflow.evaluate.evaluate import STAGES, EvaluateOptions
from influence_core.workflow.expected import evaluation_text
from influence_core.workflow.other_splits import labelled_splits, lacks_target_split
from influence_core.workflow.results import EvaluationRecord, read_evaluation
from influence_core.workflow.session import Session
from pages.ui.draw.text import plain
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.frame.jobs.expected import expected
from pages.ui.frame.shell import in_one_sentence

VERB = "evaluate"
DEFAULTS = EvaluateOptions()
WHAT = {
    "lds": "Retrain on random halves: a model trained like this one",
    "same": "Retrain from the same start without some rows: this model",
    "removal": "Remove the most helpful rows",
    "loo": "Leave single rows out",
    "planted": "Plant wrong labels and find them",
    "null": "False positives on unseen ids",
    "isolation": "Isolation audit",
}


def evaluate_controls(session: Session, shown: EvaluationRecord | None) -> None:
    """The form, or the evaluation that runs.

    Args:
        session: of the run that is evaluated.
        shown: the record that the page is about to show; when another one is stored, the page is
            drawn again.
    """
    job = jobs_ui.latest(session.project, VERB)
    if job is not None and job.active:
        jobs_ui.watch(session.project, job.id)
        st.fragment(_look, run_every=jobs_ui.SECONDS)(session, shown)
        return
    if job is not None and job.state != "done":
        jobs_ui.watch(session.project, job.id)
    _form(session, measured=shown is not None)


def _look(session: Session, shown: EvaluationRecord | None) -> None:
    """Every finished stage is stored at once, so show it at once."""
    with in_one_sentence():
        if read_evaluation(session.project.root) != shown:
            st.rerun(scope="app")
    if shown is not None and shown.run == session.run.id:
        st.caption("What is finished stands below; the rest follows while this goes on.")


def _form(session: Session, measured: bool) -> None:
    if lacking := lacks_target_split(session.project, "An evaluation"):
        st.info(plain(lacking))
        return
    splits = labelled_splits(session.project)
    title = "Evaluate again" if measured else "Evaluate now"
    with st.expander(title, expanded=not measured), st.form("evaluate", border=False):
        st.multiselect(
            "What", STAGES, list(STAGES), format_func=lambda s: WHAT.get(s, s), key="evaluate_what"
        )
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.selectbox(
                "Targets from", splits, key="evaluate_split", width=180,
                index=splits.index("test") if "test" in splits else 0,
            )  # fmt: skip
            st.number_input(
                "Targets of each kind", 2, 500, DEFAULTS.targets, key="evaluate_targets", width=180,
                help="So many misclassified items, and as many random ones.",
            )  # fmt: skip
            st.number_input(
                "Random halves", 10, 1000, DEFAULTS.subsets, key="evaluate_subsets", width=180,
                help="Retrainings; as many again measure the noise ceiling.",
            )  # fmt: skip
            st.number_input(
                "This model again", 4, 500, DEFAULTS.same, key="evaluate_same", width=180,
                help="Retrainings from the run's own start, without 1 % and without 10 % of the "
                "rows, so many of each.",
            )  # fmt: skip
            st.form_submit_button(
                title, type="primary", key="evaluate_go", on_click=_begin, args=(session,)
            )
        expected(evaluation_text(session, DEFAULTS, stored=True))


def _begin(session: Session) -> None:
    chosen = st.session_state
    arguments = [VERB, str(session.project.root.resolve()), "--run", session.run.id]
    # In the order of the stages, whatever the order of the clicks: none chosen means all.
    what = [stage for stage in STAGES if stage in chosen["evaluate_what"]] or list(STAGES)
    arguments += ["--what", ",".join(what), "--split", str(chosen["evaluate_split"])]
    for name in ("targets", "subsets", "same"):
        arguments += [f"--{name}", str(chosen[f"evaluate_{name}"])]
    jobs_ui.begin(session.project, arguments, title=f"Evaluate {session.project.name}")
