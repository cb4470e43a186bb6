"""Findings about labels: none, too few of a class, one class in two spellings, several in one."""

from collections import Counter

import numpy as np

from influence_core.data.budget import short_list
from influence_core.data.checks.finding import NO_ROWS, Finding, Found, Rows, number_of, rows_have
from influence_core.data.checks.spellings import (
    ALIKE,
    FIRST,
    MISSING,
    missing_names,
    same_classes,
    several_labels,
    telling,
)
from influence_core.data.dataset import NO_LABEL, Dataset

RARE = 5
MOST_NAMED = 20  # findings of one kind that name a class each


def missing_labels(dataset: Dataset) -> Found:
    """Rows without a label."""
    advice = "Label them, or leave bad rows out (--drop-bad)."
    for split in dataset:
        rows = np.flatnonzero(split.labels == NO_LABEL)
        if rows.size:
            what = rows_have(rows, "no label", split)
            yield Finding("missing-labels", "error", what, split.name, rows, advice)


def too_few_classes(dataset: Dataset) -> Found:
    """Training rows of one class only, or none."""
    present = np.unique(dataset.train.labels[dataset.train.labels != NO_LABEL])
    if present.size < 2:
        only = f"only the class {dataset.classes[present[0]]!r}" if present.size else "no class"
        advice = "At least two classes are needed; check the label column."
        what = f"The training rows have {only}."
        yield Finding("too-few-classes", "error", what, "train", NO_ROWS, advice)


def rare_classes(dataset: Dataset) -> Found:
    """Classes with so few training rows that nothing can be learned or judged: one line."""
    labels = dataset.train.labels
    counts = np.bincount(labels[labels != NO_LABEL], minlength=len(dataset.classes))
    rare = np.flatnonzero(counts < RARE)
    if not rare.size:
        return
    what = f"{rare.size:,} classes have fewer than {RARE} rows in train: "
    what += f"{short_list([dataset.classes[number] for number in rare], 3)}."
    if rare.size == 1:
        (name,) = (dataset.classes[number] for number in rare)
        what = f"Class {name!r} has {number_of(int(counts[rare[0]]))} in train."
    advice = f"Collect more than {RARE} rows of each, or join them with classes like them."
    yield Finding("tiny-classes", "warning", what, "train", _of(dataset, rare.tolist()), advice)


def one_class_in_two_spellings(dataset: Dataset) -> Found:
    """Names that mean the same apart from how they are written."""
    groups = same_classes(dataset.classes)
    advice = (
        f"Join them (--join {ALIKE}; in the wizard under More about the columns), or keep them if "
        "they differ in meaning."
    )
    for names in groups[:MOST_NAMED]:
        what = f"These may be one class: {', '.join(telling(names))}."
        rows = _of(dataset, [dataset.classes.index(name) for name in names])
        yield Finding("spellings", "warning", what, "train", rows, advice)
    named = {name for group in groups for name in group}
    blank = [n for n in dataset.classes if n not in named and n != n.strip()]
    for name in blank[:MOST_NAMED]:
        what = f"The class name {name!r} has blanks at its start or end."
        rows = _of(dataset, [dataset.classes.index(name)])
        advice = "Remove them in the source if not meant."
        yield Finding("spellings", "note", what, "train", rows, advice)


def words_for_missing(dataset: Dataset) -> Found:
    """Class names that read as if there was no label."""
    for name in missing_names(dataset.classes)[:MOST_NAMED]:
        rows = _of(dataset, [dataset.classes.index(name)])
        what = f"Class {name!r} ({number_of(len(rows))} of train) reads like a missing label."
        advice = (
            f"Leave these rows out (--leave-out {MISSING}; in the wizard under More about the "
            "columns), or keep it as a class of its own."
        )
        yield Finding("words-for-missing", "warning", what, "train", rows, advice)


def several_labels_a_row(dataset: Dataset) -> Found:
    """Names that are lists of names: every combination became a class of its own."""
    found = several_labels(dataset.classes)
    if len(found) < 2:
        return
    labels = Counter(label for parts in found.values() for label in parts)
    rows = _of(dataset, [dataset.classes.index(name) for name in found])
    what = (
        f"The labels look like several labels a row: {len(found):,} classes such as "
        f"{next(iter(found))!r} are made of {len(labels):,} labels."
    )
    advice = (
        "Several labels a row are not supported: each combination is a class here. Make one "
        f"project a label (a column that says yes or no), or keep the first label of each row "
        f"(--join {FIRST}; in the wizard under More about the columns)."
    )
    yield Finding("several-labels", "warning", what, "train", rows, advice)


def _of(dataset: Dataset, numbers: list[int]) -> Rows:
    return np.flatnonzero(np.isin(dataset.train.labels, numbers))
