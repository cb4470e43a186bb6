"""Predictions of the user's own model in the wizard: a file of probabilities for each split."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.projects.named import read_places
from influence_core.workflow.projects.uploads import FEATURES, MOST_MEGABYTES
from pages.ui.draw.text import plain
from pages.ui.projects.wizard_features import WIDTH, kept_file
from pages.ui.projects.wizard_source import ChosenSource, paths_allowed

HELP = (
    "One row of probabilities for each row, in its order or with ids; a column a class, sorted by "
    "name. Those of train must be out-of-sample, from cross-validation; one file for all rows of "
    "the data serves all its splits."
)


def own_predictions(source: ChosenSource, splits: Sequence[str]) -> list[str]:
    """What the verb `new` is told of them; [] as long as none are given.

    Raises:
        DataError: they are given twice, or not as files of splits.
    """
    token = source.token
    with st.expander("Predictions of your own model", key=f"wizard_proba_{token}"):
        st.caption("With them, nothing is trained: errors and labels are about your model.")
        with st.container(horizontal=True, gap="medium"):
            files = {
                split: st.file_uploader(
                    f"Probabilities of {plain(split)}",
                    type=[suffix.lstrip(".") for suffix in FEATURES],
                    max_upload_size=MOST_MEGABYTES,
                    key=f"wizard_proba_{split}_{token}",
                    help=HELP,
                    width=WIDTH,
                )
                for split in splits
            }
        named = _named(token)
        known = st.checkbox(
            "Those of train are out-of-sample",
            key=f"wizard_out_of_sample_{token}",
            help="Else this is checked: a model is as good on rows of test as on those that it "
            "has not seen of train. It needs probabilities of both.",
        )
    given = {
        split: kept_file(f"wizard_proba_kept_{split}_{token}", file)
        for split, file in files.items()
        if file is not None
    }
    if given and named:
        raise DataError("Probabilities are given twice; take the files away, or empty the field.")
    places = given or named
    if not places:
        return []
    told = ",".join(f"{split}={place}" for split, place in places.items())
    return [f"--proba={told}", *["--out-of-sample"] * known]


def _named(token: str) -> dict[str, str]:
    """Files of this machine, by split."""
    if not paths_allowed():
        return {}
    told = st.text_input(
        "Paths of files, as train=/a.npy,test=/b.npy",
        key=f"wizard_proba_paths_{token}",
        max_chars=4096,
        width=2 * WIDTH,
    ).strip()
    places = read_places(told) if told else {}
    for place in places.values():
        if not Path(place).expanduser().is_absolute():
            raise DataError(f"{place} is no absolute path; begin a path with / or ~.")
    return places
