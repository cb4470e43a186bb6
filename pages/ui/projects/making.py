"""After the wizard: the job that makes and trains the project, then its errors."""

import json
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from influence_core.workflow.projects.account import account_of
from influence_core.workflow.projects.named import read_places
from influence_core.workflow.projects.uploads import forget_upload
from influence_core.workflow.results import Project, projects_home
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.frame.jobs.landed import LANDED
from pages.ui.frame.menu import drop
from pages.ui.projects.cards import short
from pages.ui.projects.wizard_findings import account
from pages.ui.train import train_controls


def making(job_id: str) -> None:
    """The job's progress; once it is done, on to the errors."""
    job = jobs_ui.watch(projects_home(), job_id)
    made = job.result.get("project")
    if made and not job.active:
        for path in (job.arguments[-1], *_numbers(job.arguments)):
            forget_upload(projects_home(), Path(path))
    if job.state == "done" and made:
        _land(str(made), job.result.get("run"))
    if job.active:
        return
    if made:
        st.caption("The project is there, but its training has not ended. Resume it, or:")
        if st.button("Train it with other settings", key="train_again"):
            drop("new", "making", train=str(made))
            st.rerun()
        return
    st.caption("Nothing was created. Go back, fix the data or the choices, and try again.")


def _numbers(arguments: Sequence[str]) -> list[str]:
    """Files of features and of probabilities among what the wizard told the verb."""
    told = [json.loads(a.partition("=")[2]) for a in arguments if a.startswith("--options=")]
    features = [options["features"] for options in told if options.get("features")]
    named = [read_places(a.partition("=")[2]) for a in arguments if a.startswith("--proba=")]
    return [*features, *(place for places in named for place in places.values())]


def training(folder: str, known: set[str]) -> None:
    """The button, the bar and both sides' curves; then the errors open by themselves."""
    if folder not in known:
        st.info("The link names no project here; open one from the list.")
        return
    project = Project.open(projects_home() / folder)
    st.markdown(f"#### Train {short(project.name)}")
    account(account_of(project.header.source, project.header.splits), "made")
    job = train_controls(project)
    if job is not None and job.active:
        st.session_state["seen_training"] = job.id
    # An old link shows what was trained; who has waited for it need press nothing.
    elif (job is not None and job.state == "done") and (
        st.session_state.get("seen_training") == job.id
        or st.button("See the errors", key="to_errors", type="primary")
    ):
        _land(folder, job.result.get("run"))
    st.caption(
        "Once with turn-over dropout: each row trains one half of the network only, so the "
        "other half tells what the model would think without it (Kobayashi et al. 2020)."
    )


def _land(folder: str, run: object) -> None:
    """Open the errors of what was trained, with the banner that says what to do first."""
    st.session_state["open_project"] = folder
    st.session_state.pop("seen_training", None)
    where = {} if run is None else {LANDED: str(run)}
    if run is not None:
        st.session_state["open_run"] = str(run)
    drop("new", "making", "train")
    st.switch_page("pages/errors.py", query_params=where)
