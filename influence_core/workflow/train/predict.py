"""What a run predicts for rows that the source gives no label, and a file of it.

Such rows (the test split of a competition, `unsupervised` of a hub data set) are kept beside the
splits and not among them (`Dataset.unlabelled`). They are encoded when somebody asks, by the run's
own encoder, and their features stay for the next time: a training need not wait for rows that it
does not use, of which there may be more than all others. The verb `predict` and the Runs page call
this.
"""

import threading
from pathlib import Path

import numpy as np
import pandas as pd

from influence_core.data.dataset import Dataset, Split
from influence_core.disk.arrays import map_array
from influence_core.disk.atomic import atomic_file, plain_errors, write_text
from influence_core.errors import DataError, StoreError
from influence_core.models.encode import Values, encode_split
from influence_core.progress import ProgressFn
from influence_core.store.exports.csv_fields import escaped
from influence_core.training.features import Standardised
from influence_core.workflow.session import Session
from influence_core.workflow.train.runs.tables import prediction_table

FOLDER = "unlabelled"  # beside the features of the splits, whose names may be the same
SUFFIXES = (".csv", ".parquet")


def predict(
    session: Session,
    split: str | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Predict the rows that the project keeps without labels.

    Args:
        session: of the run that predicts.
        split: which of them; all if None.
        progress: hears how far encoding is.
        cancel: stops it; what is encoded stays.

    Returns:
        One line a row, in the source's order: `split`, `row` (in its source, from 1), `id`,
        `predicted` (class name), `probability` in [0, 1].

    Raises:
        DataError: there are no such rows. ModelError: the encoder is not there.
        CancelledError: `cancel` was set.
    """
    data, record = session.project.dataset, session.run.record
    reference, parts = session.features, []
    encoder = None if session.own_features else session.encoder()
    for name in _names(data, session.project.name, split):
        rows = data.unlabelled[name]
        path = session.project.features_folder(record.encoder_fingerprint) / FOLDER / f"{name}.npy"
        if encoder is None:
            raw = _own_features(path, rows)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            raw = encode_split(
                encoder,
                rows,
                path,
                dataset_fingerprint=session.project.fingerprint,
                progress=progress,
                cancel=cancel,
            )
        features = Standardised.using(raw, reference.mean, reference.scale, session.device)
        table = prediction_table(rows, session.head, features)
        parts.append(
            pd.DataFrame(
                {
                    "split": name,
                    "row": rows.rows + 1,
                    "id": rows.ids,
                    "predicted": np.array(data.classes, dtype=object)[table["predicted"]],
                    "probability": table["confidence"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _own_features(path: Path, rows: Split) -> Values:
    """Features that came with the project, (N, d).

    Raises:
        DataError: it was made without those of these rows.
    """
    if path.is_file():
        found = map_array(path)
        if len(found) == len(rows):
            return found
    raise DataError(
        f"The rows of {rows.name} have no features, so nothing can be predicted for them; make the "
        f"project again with theirs (turnover new --{rows.name}-features)."
    )


def _names(data: Dataset, project: str, split: str | None) -> list[str]:
    known = list(data.unlabelled)
    if not known:
        raise DataError(
            f"Project {project!r} keeps no rows without labels; a split of which no row has one is "
            "kept for prediction when a project is made (`turnover new`)."
        )
    if split is not None and split not in known:
        raise DataError(f"There is no split {split!r} without labels; there is {', '.join(known)}.")
    return known if split is None else [split]


def check_target(path: Path, *, overwrite: bool) -> None:
    """Make sure, before anything is predicted, that the file can be written.

    Raises:
        DataError: its suffix is none of `SUFFIXES`. StoreError: it is there already.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path.name} ends in none of {', '.join(SUFFIXES)}; name such a file.")
    if path.exists() and not overwrite:
        raise StoreError(f"{path} is there already; name another file, or use --overwrite.")


def write_predictions(table: pd.DataFrame, path: Path, *, spreadsheet_safe: bool = False) -> None:
    """Write what `predict` gives as CSV or Parquet, whole or not at all.

    Args:
        table: what to write.
        path: `check_target` has passed it.
        spreadsheet_safe: guard texts of a CSV against formulas; this changes them.

    Raises:
        StoreError: it cannot be written.
    """
    with plain_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".parquet":
        with plain_errors("write", path), atomic_file(path) as file:
            table.to_parquet(file, index=False)
        return
    if spreadsheet_safe:
        table = table.map(lambda cell: escaped(cell) if isinstance(cell, str) else cell)
    write_text(path, table.to_csv(index=False, lineterminator="\r\n"))
