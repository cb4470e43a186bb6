"""All scores of the open item as a file: a job, because of millions of rows it takes a while."""

import streamlit as st

from influence_core.errors import StoreError
from influence_core.workflow.explain.explain import Explanation
from influence_core.workflow.results import plain_errors, to_hex
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.text import plain
from pages.ui.frame import jobs as jobs_ui

VERB = "explain"


def scores_box(session: Session, answer: Explanation) -> None:
    """Start the job, and show the newest one if it is about this item."""
    item = answer.item
    if item.split is None or item.key is None:
        return
    job = jobs_ui.latest(session.project, VERB)
    of_this = job is not None and to_hex(item.key) in job.arguments
    title = "All scores as a file"
    with st.expander(title, icon=":material/description:", expanded=of_this):
        st.caption(
            f"The influence of all {numbers.count(len(session.evidence))} training rows on this "
            "item by the chosen estimator, as a NumPy file with a card that says what it holds."
        )
        st.button("Write the file", key="scores_go", on_click=_begin, args=(session, answer))
        if job is not None and of_this:
            jobs_ui.watch(session.project, job.id)


def _begin(session: Session, answer: Explanation) -> None:
    item, options = answer.item, answer.options
    folder = session.project.exports_folder
    name = f"scores-{session.run.id}-{to_hex(item.key)}-{options.estimator}-{options.toward}.npy"
    try:
        with plain_errors("write", folder):
            folder.mkdir(exist_ok=True)
    except StoreError as error:
        st.error(plain(str(error)))
        return
    arguments = [VERB, str(session.project.root.resolve()), "--run", session.run.id]
    arguments += ["--split", str(item.split), "--item", to_hex(item.key)]
    arguments += ["--estimator", options.estimator, "--toward", options.toward]
    arguments += ["--scores", str((folder / name).resolve())]
    split = session.project.dataset.split(str(item.split))
    number = split.ids[split.position(item.key)]
    jobs_ui.begin(session.project, arguments, title=f"All scores of {number}")
