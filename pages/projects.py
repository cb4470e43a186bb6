"""Projects: the samples and the user's own as cards, and the way to a new one.

The address says where one is: `?new=1` the wizard, `?making=JOB` a project that is being made,
`?train=FOLDER` its training; a reload or a link comes back to the same place.
"""

import streamlit as st

from influence_core.workflow.projects.overview import Overview, overviews
from influence_core.workflow.results import is_demo, projects_home, sample_names
from pages.ui.frame.menu import drop
from pages.ui.frame.shell import in_one_sentence
from pages.ui.projects import loop
from pages.ui.projects.cards import cards
from pages.ui.projects.making import making, training
from pages.ui.projects.wizard import wizard

STEPS = ("making", "train", "new")
LOOP = (
    (
        loop.MISTAKE, "Pick a mistake",
        "*Errors*: what the model got wrong, and the rows that pushed it.",
    ),
    (
        loop.LABEL, "Fix the labels",
        "*Labels*: suspicious rows with their evidence, one key each.",
    ),
    (
        loop.PROOF, "Verify",
        "*Clean data*: retrain without them, compare, export the clean file.",
    ),
)  # fmt: skip


def page() -> None:
    """The cards, or what the address asks for."""
    step = next((name for name in STEPS if st.query_params.get(name)), None)
    if step is None:
        _overview()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("New project" if step != "train" else "Training", width="stretch")
        st.button("All projects", key="all_projects", icon=":material/arrow_back:", on_click=_back)
    if is_demo():
        st.info("This is a demo: install Turnover to make a project of data of your own.")
    elif step == "new":
        wizard()
    elif step == "making":
        making(st.query_params["making"])
    else:
        training(st.query_params["train"], {card.folder for card in overviews(projects_home())})


def _overview() -> None:
    found = overviews(projects_home())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Projects", width="stretch")
        st.button(
            "New project", key="new_project", type="primary", icon=":material/add:", on_click=_new
        )
    samples = sample_names()
    own = [card for card in found if card.folder not in samples]
    if not own:
        _welcome()
    _group("Your projects", own, "own_cards")
    _group("Samples", [card for card in found if card.folder in samples], "sample_cards")


def _welcome() -> None:
    st.markdown(
        "**Turnover** shows which training rows caused a model's mistakes, helps to fix their "
        "labels, and proves by retraining that the model got better."
    )
    with st.grid(columns="auto", min_column_width=260, gap="small", key="welcome"):
        for number, (picture, title, words) in enumerate(LOOP, 1):
            with st.container(border=True, gap="xxsmall", height="stretch"):
                loop.drawing(picture, title)
                st.markdown(f"{number} · **{title}**")
                st.caption(words)


def _new() -> None:
    st.query_params["new"] = "1"


def _back() -> None:
    drop(*STEPS)


def _group(title: str, found: list[Overview], key: str) -> None:
    if title == "Samples" and not found:
        return
    if not found:
        st.info(
            "Press **New project** and give it a CSV, a Parquet file, a folder of images or a "
            "Hugging Face data set. The samples below are trained already."
        )
        return
    st.markdown(f"#### {title}")
    cards(found, key, glimpses=title == "Samples")


with in_one_sentence():
    page()
