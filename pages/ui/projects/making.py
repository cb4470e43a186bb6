"""After the wizard: the job that makes the project, then its training, on the same page."""

import json
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from influence_core.workflow.projects.account import account_of
from influence_core.workflow.projects.uploads import forget_upload
from influence_core.workflow.results import Project, projects_home
from pages.ui.frame import jobs as jobs_ui
from pages.ui.projects.cards import short
from pages.ui.projects.wizard_findings import account
from pages.ui.train import train_controls


def making(job_id: str) -> None:
    """The job's progress; once it is done, on to training."""
    job = jobs_ui.watch(projects_home(), job_id)
    made = job.result.get("project")
    if job.state == "done" and made:
        for path in (job.arguments[-1], *_features(job.arguments)):
            forget_upload(projects_home(), Path(path))
        st.session_state["open_project"] = str(made)
        # Not clear(): it refuses while the menus of the sidebar are bound to the address.
        for name in ("new", "making"):
            st.query_params.pop(name, None)
        st.query_params["train"] = str(made)
        st.rerun()
    if not job.active:
        st.caption("Nothing was created. Go back, fix the data or the choices, and try again.")


def _features(arguments: Sequence[str]) -> list[str]:
    """Files of features among what the wizard told the verb."""
    told = [json.loads(a.partition("=")[2]) for a in arguments if a.startswith("--options=")]
    return [options["features"] for options in told if options.get("features")]


def training(folder: str, known: set[str]) -> None:
    """The form, the bar and both sides' curves; then the way to the errors."""
    if folder not in known:
        st.info("The link names no project here; open one from the list.")
        return
    project = Project.open(projects_home() / folder)
    st.markdown(f"##### Train {short(project.name)}")
    account(account_of(project.header.source, project.header.splits), "made")
    job = train_controls(project)
    if job is None or job.state != "done":
        st.caption(
            "Once with turn-over dropout: each row trains one half of the network only, so the "
            "other half tells what the model would think without it (Kobayashi et al. 2020)."
        )
        return
    if st.button("See the errors", key="to_errors", type="primary"):
        st.session_state["open_project"] = folder
        if "run" in job.result:
            st.session_state["open_run"] = str(job.result["run"])
        st.switch_page("pages/errors.py", query_params={})
