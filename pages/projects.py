"""Projects: the samples and the user's own as cards, and the way to a new one."""

import streamlit as st

from influence_core.store.project import projects_home
from influence_core.workflow.overview import Overview, overviews
from influence_core.workflow.samples import sample_names
from pages.ui.cards import cards
from pages.ui.shell import in_one_sentence


def page() -> None:
    """The cards, or the wizard where the address asks for it."""
    found = overviews(projects_home())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Projects", width="stretch")
        st.button("New project", key="new_project", type="primary", icon=":material/add:")
    samples = sample_names()
    _group("Your projects", [card for card in found if card.folder not in samples], "own_cards")
    _group("Samples", [card for card in found if card.folder in samples], "sample_cards")


def _group(title: str, found: list[Overview], key: str) -> None:
    if title == "Samples" and not found:
        return
    st.markdown(f"##### {title}")
    if found:
        cards(found, key)
    else:
        st.info(
            "None yet. Press **New project** and give it a CSV, a Parquet file, a folder of "
            "images or a Hugging Face data set; the samples below are trained already."
        )


with in_one_sentence():
    page()
