"""Splits besides the training rows: what a trial, a cleansing and an evaluation are measured on."""

import numpy as np

from influence_core.errors import DataError
from influence_core.store.project import Project


def labelled_splits(project: Project) -> list[str]:
    """Names of the splits with a labelled item, but for the training rows; [] if there is none."""
    return [
        name
        for name, split in project.dataset.splits.items()
        if name != "train" and (np.asarray(split.labels) >= 0).any()
    ]


def lacks_target_split(project: Project, what: str) -> str:
    """Why `what` ("A trial") cannot be, and how to get it; "" where `labelled_splits` has any."""
    if labelled_splits(project):
        return ""
    return (
        f"{what} needs a target split, and project '{project.name}' has labels in its training "
        "rows only; make the project again with a share of the rows for valid or test above 0 "
        "(--valid-share and --test-share, or the sliders under New project)."
    )


def need_labelled_splits(project: Project, what: str) -> list[str]:
    """`labelled_splits` for what cannot do without.

    Raises:
        DataError: there is none (`lacks_target_split`).
    """
    if lacking := lacks_target_split(project, what):
        raise DataError(lacking)
    return labelled_splits(project)
