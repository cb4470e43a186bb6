"""What the wizard shows of the data: first rows, class balance, problems; all as plain data."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from influence_core.workflow.projects.account import Account
from influence_core.workflow.projects.preview import Problem
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain

SHOWN = {"error": st.error, "warning": st.warning, "note": st.info}
HEIGHT, HEAD_HEIGHT = 260, 178  # pixels of a table at most, and of the first rows


def head(rows: pd.DataFrame) -> None:
    """The first rows; text of the data is never interpreted."""
    st.dataframe(
        _inert(rows), hide_index=True, key="wizard_head", alt="The first rows", height=HEAD_HEIGHT
    )


def balance(table: pd.DataFrame) -> None:
    """Rows of each class in each split, the train rows as bars."""
    most = int(max(table["train"].max(), 1)) if "train" in table else 1
    bars = {"train": st.column_config.ProgressColumn(format="%d", max_value=most)}
    st.dataframe(
        _inert(table),
        hide_index=True,
        key="wizard_balance",
        column_config=bars,
        height="content" if len(table) <= 6 else HEIGHT,
        width=560,
        alt="Rows of each class",
    )


def account(made: Account, key: str) -> None:
    """What was chosen, read, kept and left out; open where something was left out."""
    # An expander keeps its state by its key, and would stay shut when rows are left out later.
    key, some = f"{key}_account{len(made.left_out)}", bool(made.left_out)
    with st.expander("What was read", key=key, expanded=some):
        for sentence in made.sentences():
            st.text(visible(sentence))


def problems(found: Sequence[Problem]) -> None:
    """Each in a sentence, with what to do and a few of its rows."""
    if not found:
        st.success("No missing labels, no duplicates, no leakage between splits were found.")
    for number, problem in enumerate(found):
        SHOWN[problem.severity](plain(visible(f"{problem.what} {problem.advice}")))
        if len(problem.examples):
            with st.expander("Rows", key=f"wizard_rows_{number}"):
                st.dataframe(
                    _inert(problem.examples),
                    hide_index=True,
                    key=f"wizard_examples_{number}",
                    alt=f"Rows with this {problem.severity}",
                )


def _inert(table: pd.DataFrame) -> pd.DataFrame:
    """Invisible and direction characters written out, in cells and in column names."""
    shown = table.rename(columns=lambda name: visible(str(name)))
    for position in range(shown.shape[1]):
        if not pd.api.types.is_numeric_dtype(shown.dtypes.iloc[position]):
            shown.isetitem(position, [visible(str(value)) for value in shown.iloc[:, position]])
    return shown
