"""Find rows of a split by a piece of their text: what the search boxes of the pages ask."""

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from influence_core.data.dataset import Split


def containing(split: Split, text: str) -> npt.NDArray[np.bool_]:
    """Which rows hold this text in any case: in the sentence, or in the id where rows are images.

    The text is taken letter by letter; no character of it has a special meaning. Spaces around it
    do not count, and nothing but spaces is in every row.

    Returns:
        (N,) bool.
    """
    wanted = text.strip()
    if not wanted:
        return np.ones(len(split), dtype=bool)
    column = "text" if split.content_column == "text" else "id"
    found = pc.match_substring(split.table.column(column), wanted, ignore_case=True)
    mask: npt.NDArray[np.bool_] = found.fill_null(False).to_numpy()
    return mask
