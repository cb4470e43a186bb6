"""All scores of the open item as a file: those that the answer has kept, so nothing is scanned."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.explain.all_scores import write_scores
from influence_core.workflow.explain.explain import Explanation
from influence_core.workflow.results import plain_errors, to_hex
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.text import plain

_WRITTEN = "scores_written"  # key of the item, and what became of its file


def scores_box(session: Session, answer: Explanation) -> None:
    """The button, and where the file of this item lies once it is written."""
    item = answer.item
    if item.split is None or item.key is None:
        return
    kept, told = st.session_state.get(_WRITTEN, (None, ""))
    of_this = kept == item.key
    with st.expander("Export all scores", icon=":material/description:", expanded=of_this):
        st.caption(
            f"The influence of all {numbers.count(len(session.evidence))} training rows on this "
            "item by the chosen method, as a NumPy file with a JSON description."
        )
        st.button("Write the file", key="scores_go", on_click=_write, args=(session, answer))
        if of_this:
            _hand_over(told)


def _hand_over(told: Path | str) -> None:
    """The file and its description to take along, or why there is none."""
    if isinstance(told, str):
        st.error(plain(told))
        return
    st.caption(f"Written to {plain(str(told))}")
    with st.container(horizontal=True, gap="small"):
        for name, path in (("scores", told), ("description", told.with_suffix(".json"))):
            st.download_button(
                f"Download {name}", path.read_bytes, file_name=path.name, key=f"scores_{name}",
                on_click="ignore",
            )  # fmt: skip


def _write(session: Session, answer: Explanation) -> None:
    item, options = answer.item, answer.options
    folder = session.project.exports_folder
    name = f"scores-{session.run.id}-{to_hex(item.key or 0)}-{options.estimator}-{options.toward}"
    path = folder / f"{name}.npy"
    try:
        with plain_errors("write", folder):
            folder.mkdir(exist_ok=True)
        # The file holds all rows, whichever of them the lists above rank.
        write_scores(session, item, replace(options, among="all"), path, known=answer.scores)
        told: Path | str = path
    except TurnoverError as error:
        told = str(error)
    st.session_state[_WRITTEN] = item.key, told
