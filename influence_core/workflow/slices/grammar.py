"""A slice of a split by a word: `column=value`, `~words` of a text, or `slice:name` of a saved one.

One grammar for all verbs. Called by target splits (`workflow.cleanse`) and groups of items
(`workflow.explain`).
"""

import numpy as np
import numpy.typing as npt

from influence_core.store.project import Project
from influence_core.store.slices import saved_slice

SAVED = "slice:"
KINDS = (
    "'column=value' with a column of {}, '~words' for texts that contain them, or "
    f"'{SAVED}name' for a saved slice"
)


def slice_of(project: Project, split: str, name: str) -> npt.NDArray[np.bool_] | None:
    """Which rows of a split are in the slice, (n,); None where the name is of no kind.

    Raises:
        DataError: there is no such split. StoreError: there is no such saved slice.
    """
    rows = project.dataset.split(split)
    if name.startswith(SAVED):
        kept = saved_slice(project.root, name.removeprefix(SAVED))
        held = np.isin(rows.keys, np.array(kept.keys, dtype=np.uint64))
        return held if kept.split == split else np.zeros_like(held)
    if name.startswith("~") and rows.content_column == "text":
        words = name[1:].casefold()
        return np.array([words in text.casefold() for text in rows.texts()], dtype=np.bool_)
    column, equals, value = name.partition("=")
    if equals and column in rows.extra_columns:
        return np.array([str(cell) == value for cell in rows.extra(column)], dtype=np.bool_)
    return None
