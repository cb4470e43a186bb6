"""A user's own class probabilities: checked, and given to the rows that they are about."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from influence_core.data.budget import short_list
from influence_core.data.dataset import Dataset
from influence_core.errors import DataError
from influence_core.models.own.arrays import OwnArray, open_features
from influence_core.models.own.place import Part, part_of, same_file

NEAR = 5e-3  # how far from one a row may sum: float16, and rounding to three digits
CLEAR, APART = 4.0, 0.05  # standard errors, and points, that in-sample rows are better by
Proba = npt.NDArray[np.float32]


def read_proba(
    dataset: Dataset,
    places: Mapping[str, str],
    folder: Path,
    *,
    known_out_of_sample: bool = False,
) -> tuple[dict[str, Proba], str]:
    """Probabilities (n, C) by split, and the names of their files.

    Args:
        dataset: whose rows they are about.
        places: files by split.
        folder: empty; what is packed is unpacked there.
        known_out_of_sample: do not compare how good those of the training rows are.

    Raises:
        DataError: they do not fit, those of the training rows are in-sample, or there is nothing
            to compare them with.
    """
    arrays = {}
    for split, place in places.items():
        (folder / split).mkdir()
        own = dataset.source.id_column
        arrays[split] = open_features(place, folder / split, own, dataset.classes)
    proba = own_proba(dataset, arrays)
    if "train" in proba and not known_out_of_sample:
        _refuse_in_sample(dataset, proba, places)
    return proba, ", ".join(dict.fromkeys(array.name for array in arrays.values()))


def _refuse_in_sample(
    dataset: Dataset, proba: Mapping[str, Proba], places: Mapping[str, str]
) -> None:
    """Probabilities that the model gives to rows that it was trained on say nothing about these.

    What is compared are rows that the user keeps apart from the training rows, in another file.
    """
    other = next((name for name in ("test", "valid") if name in places), None)
    if other is None:
        raise DataError(
            "Nothing tells whether the probabilities of the training rows are out-of-sample; give "
            "those of test or valid, too (--proba train=…,test=…), or say that they are "
            "(--out-of-sample)."
        )
    found = in_sample(
        proba["train"], dataset.train.labels, proba[other], dataset.split(other).labels
    )
    if found is not None:
        raise DataError(
            f"The model is right on {found[0]:.1%} of the training rows and on {found[1]:.1%} of "
            f"{other}, so it was trained on the rows that it predicts there; give probabilities of "
            "cross-validation (cross_val_predict of scikit-learn), only those of other splits, or "
            "say that they are out-of-sample (--out-of-sample)."
        )


def own_proba(dataset: Dataset, arrays: Mapping[str, OwnArray]) -> dict[str, Proba]:
    """Probabilities (n, C) by split; one for the file of the training rows serves all its splits.

    Args:
        dataset: of a project.
        arrays: by split; columns are the classes in their order, unless they have names.

    Raises:
        DataError: rows, classes or numbers do not fit; names the first row that does not.
    """
    unknown = [name for name in arrays if name not in dataset.splits]
    if unknown:
        raise DataError(
            f"There are probabilities for {unknown[0]!r}, but no such split with labels; there are "
            f"{list(dataset.splits)}."
        )
    whole, found = arrays.get("train"), {}
    for name, split in dataset.splits.items():
        array = arrays.get(name)
        if array is None and whole is not None and same_file(dataset, name):
            array = whole if whole.rows == dataset.source.files[name].rows else None
        if array is not None:
            part = part_of(dataset, split, array, own=name in arrays)
            found[name] = _gathered(part, dataset.classes)
    return found


def _gathered(part: Part, classes: tuple[str, ...]) -> Proba:
    order = _order(part.array, classes)
    proba = np.empty((len(part.split), len(classes)), np.float32)
    for rows, block in part.blocks():
        values = np.asarray(block, dtype=np.float64)[:, order]
        _refuse(part, rows, values)
        proba[rows] = values / values.sum(axis=1, keepdims=True)
    return proba


def _order(array: OwnArray, classes: tuple[str, ...]) -> list[int]:
    """The place of each class among the columns."""
    if array.columns:
        if set(array.columns) != set(classes) or len(array.columns) != len(classes):
            raise DataError(
                f"{array.name} is about the classes {short_list(array.columns)}, and the project "
                f"about {short_list(classes)}; give one probability for each of these."
            )
        return [array.columns.index(name) for name in classes]
    if array.dim != len(classes):
        raise DataError(
            f"{array.name} has {array.dim} probabilities a row, and the project has "
            f"{len(classes)} classes: {short_list(classes)}; give one for each, in this order."
        )
    return list(range(array.dim))


def _refuse(part: Part, rows: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
    with np.errstate(invalid="ignore"):
        inside = ((values >= 0) & (values <= 1 + NEAR)).all(axis=1)
        bad = ~(inside & (np.abs(values.sum(axis=1) - 1) <= NEAR))
    if not bad.any():
        return
    first = int(bad.argmax())
    raise DataError(
        f"The probabilities of row {part.split.ids[rows[first]]!r} of {part.split.name} in "
        f"{part.array.name} are {np.array2string(values[first][:4], precision=3)} … with the sum "
        f"{values[first].sum():.3g}; give those after softmax, between 0 and 1 with the sum 1."
    )


def in_sample(
    train: Proba, labels: npt.NDArray[np.int64], other: Proba, others: npt.NDArray[np.int64]
) -> tuple[float, float] | None:
    """Accuracies of training and of other rows if the first is far above the second, else None.

    A model is as good on rows that it has not seen, whatever split they stand in: then the
    difference is small beside its standard error.
    """
    right = _right(train, labels)
    outside = _right(other, others)
    if not len(right) or not len(outside):
        return None
    inside, out = float(right.mean()), float(outside.mean())
    # One more right and one more wrong each, so that a perfect score has an error, too.
    shares = ((right.sum() + 1) / (len(right) + 2), (outside.sum() + 1) / (len(outside) + 2))
    error = sum(p * (1 - p) / n for p, n in zip(shares, (len(right), len(outside)), strict=True))
    far = inside - out > APART or (1 - inside) * 3 < 1 - out
    return (inside, out) if far and inside - out > CLEAR * error**0.5 else None


def _right(proba: Proba, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    known = labels >= 0
    return np.asarray(proba[known].argmax(axis=1) == labels[known])
