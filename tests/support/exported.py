"""A small CSV, its edits, and the export that is expected of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from edits import Why, make_edits

ROWS = 24


WHY = Why("flipped-ridge", who="ada", when="2026-01-31T00:00:00+00:00")


def small_frame() -> pd.DataFrame:
    numbers = range(ROWS)
    return pd.DataFrame(
        {
            "id": [f"{i:03d}" for i in numbers],
            "text": [f'Row {i}, "so" to speak\n😀' for i in numbers],
            "label": [["neg", "pos"][i % 2] for i in numbers],
            "score": np.linspace(-1, 1, ROWS),
        }
    )


def two_edits(dataset):
    """Remove the first training row and relabel the second to the other class."""
    train = dataset.train
    new = dataset.classes[1 - int(train.labels[1])]
    return make_edits(dataset, {int(train.keys[0]): None, int(train.keys[1]): new}, WHY)


def csv_of(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    small_frame().to_csv(path, index=False)
    return path


def as_expected(edits) -> pd.DataFrame:
    """The oracle: the same edits in pandas, by record of the source."""
    frame = small_frame()
    for edit in edits:
        frame.loc[edit.row, "label"] = edit.new_label
    return frame.drop([e.row for e in edits if e.new_label is None]).reset_index(drop=True)


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
