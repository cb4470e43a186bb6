"""What is wrong with a data set, said before it is trained on.

The wizard reads with `bad_rows="keep"` and shows these findings; the command line prints them.
Each check is one small function from a `Dataset` to findings, listed in `CHECKS`. An "error" stops
training, a "warning" makes results doubtful, a "note" is good to know.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from influence_core.data.budget import short_list
from influence_core.data.dataset import NO_LABEL, Dataset, Split
from influence_core.data.images import PixelBudget, image_problem
from influence_core.data.keys import occurrence_numbers
from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn, check_cancel

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
RARE = 5
MOST_NAMED = 20  # findings of one kind that name a class each


@dataclass(frozen=True, eq=False)
class Finding:
    """Something to know about a data set.

    Attributes:
        severity: "error", "warning" or "note".
        what: one sentence.
        split: where the rows are.
        rows: positions in that split, int64, ascending; may be empty.
        advice: what to do about it.
    """

    severity: Severity
    what: str
    split: str
    rows: npt.NDArray[np.int64]
    advice: str


Found = Iterator[Finding]


def check_dataset(
    dataset: Dataset,
    *,
    images: bool = True,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> list[Finding]:
    """Look for everything that `CHECKS` knows, worst first.

    Args:
        dataset: best read with `bad_rows="keep"`.
        images: decode every picture too, which takes about a millisecond each.
        progress: hears how far that is.
        cancel: stops it.

    Raises:
        CancelledError: `cancel` was set.
    """
    found = [finding for check in CHECKS for finding in check(dataset)]
    if images and dataset.modality == "image":
        found += _unreadable_images(dataset, progress, cancel)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def missing_labels(dataset: Dataset) -> Found:
    """Rows without a label."""
    advice = "Label them, or leave them out on import."
    for split in dataset:
        rows = np.flatnonzero(split.labels == NO_LABEL)
        if rows.size:
            yield Finding("error", _count(rows, "row", "no label", split), split.name, rows, advice)


def empty_texts(dataset: Dataset) -> Found:
    """Sentences with nothing in them."""
    if dataset.modality != "text":
        return
    advice = "Fill them in, or leave them out on import."
    for split in dataset:
        blank = (not text.strip() for text in split.texts())
        rows = np.flatnonzero(np.fromiter(blank, dtype=bool, count=len(split)))
        if rows.size:
            what = _count(rows, "row", "an empty text", split)
            yield Finding("error", what, split.name, rows, advice)


def too_few_classes(dataset: Dataset) -> Found:
    """Training rows of one class only, or none."""
    present = np.unique(dataset.train.labels[dataset.train.labels != NO_LABEL])
    if present.size < 2:
        only = f"only the class {dataset.classes[present[0]]!r}" if present.size else "no class"
        advice = "At least two classes are needed; check the label column."
        yield Finding("error", f"The training rows have {only}.", "train", _none(), advice)


def rare_classes(dataset: Dataset) -> Found:
    """Classes with so few training rows that nothing can be learned or judged."""
    labels = dataset.train.labels
    counts = np.bincount(labels[labels != NO_LABEL], minlength=len(dataset.classes))
    rare = np.flatnonzero(counts < RARE)
    if rare.size > MOST_NAMED:
        names = short_list([dataset.classes[number] for number in rare], 3)
        what = f"{rare.size:,} classes have fewer than {RARE} rows in train, such as {names}."
        advice = f"Collect more than {RARE} rows of each, or join them with classes like them."
        yield Finding("warning", what, "train", np.flatnonzero(np.isin(labels, rare)), advice)
        return
    for number in rare:
        what = f"Class {dataset.classes[number]!r} has {_rows(int(counts[number]))} in train."
        rows = np.flatnonzero(labels == number)
        advice = f"Collect more than {RARE} rows, or join it with a class like it."
        yield Finding("warning", what, "train", rows, advice)


def strange_class_names(dataset: Dataset) -> Found:
    """Names that differ in blanks or case only are mostly one class written in two ways."""
    same: dict[str, list[int]] = {}
    for number, name in enumerate(dataset.classes):
        same.setdefault(" ".join(name.split()).casefold(), []).append(number)
    alike = [numbers for numbers in same.values() if len(numbers) > 1]
    for numbers in alike[:MOST_NAMED]:
        what = f"The classes {short_list([dataset.classes[n] for n in numbers])} differ only in "
        advice = "Write them alike in the source if they mean the same."
        rows = np.flatnonzero(np.isin(dataset.train.labels, numbers))
        yield Finding("warning", f"{what}blanks or case.", "train", rows, advice)
    single = [numbers[0] for numbers in same.values() if len(numbers) == 1]
    blank = [n for n in single if dataset.classes[n] != dataset.classes[n].strip()]
    for number in blank[:MOST_NAMED]:
        what = f"The class name {dataset.classes[number]!r} has blanks at its start or end."
        rows = np.flatnonzero(dataset.train.labels == number)
        yield Finding("note", what, "train", rows, "Remove them in the source if not meant.")


def repeated_ids(dataset: Dataset) -> Found:
    """Ids that stand twice in a split."""
    if dataset.source.id_column is None:
        return
    for split in dataset:
        _, codes = np.unique(np.array(split.ids, dtype=np.str_), return_inverse=True)
        rows = _repeated(codes)
        if rows.size:
            what = _count(
                rows, "row", f"an id that stands twice, such as {split.ids[rows[0]]!r}", split
            )
            advice = "Fix the id column, choose another one, or use none."
            yield Finding("error", what, split.name, rows, advice)


def duplicates(dataset: Dataset) -> Found:
    """Rows with exactly the same content, apart by whether their labels agree."""
    for split in dataset:
        rows = _repeated(split.content_hashes)
        if not rows.size:
            continue
        _, group = np.unique(split.content_hashes[rows], return_inverse=True)
        lowest = np.full(group.max() + 1, np.iinfo(np.int64).max)
        highest = np.full(group.max() + 1, np.iinfo(np.int64).min)
        np.minimum.at(lowest, group, split.labels[rows])
        np.maximum.at(highest, group, split.labels[rows])
        differ = (lowest != highest)[group]
        if differ.any():
            what = _count(rows[differ], "row", "a copy with a different label", split)
            advice = "At most one of the labels is right; the Labels page lists them."
            yield Finding("warning", what, split.name, rows[differ], advice)
        if not differ.all():
            what = _count(rows[~differ], "row", "an exact copy with the same label", split)
            advice = "Harmless in small numbers; copies count twice in training and in scores."
            yield Finding("note", what, split.name, rows[~differ], advice)


def leakage(dataset: Dataset) -> Found:
    """Rows outside train whose content is also in train: they make accuracy look better."""
    known = np.unique(dataset.train.content_hashes)
    for split in dataset:
        if split.name == "train":
            continue
        rows = np.flatnonzero(np.isin(split.content_hashes, known))
        if rows.size:
            what = _count(rows, "row", "the same content as a row of train", split)
            advice = "Take them out of one of the two; results on them are too good to be true."
            yield Finding("warning", what, split.name, rows, advice)


def missing_splits(dataset: Dataset) -> Found:
    """Nothing to measure by."""
    for name in ("valid", "test"):
        if name not in dataset.splits:
            advice = "Add rows, or let the import cut some off train."
            yield Finding("warning", f"There is no split {name!r}.", name, _none(), advice)


CHECKS: tuple[Callable[[Dataset], Found], ...] = (
    missing_labels,
    empty_texts,
    too_few_classes,
    repeated_ids,
    duplicates,
    leakage,
    rare_classes,
    strange_class_names,
    missing_splits,
)


def _unreadable_images(
    dataset: Dataset, progress: ProgressFn | None, cancel: threading.Event | None
) -> Found:
    total = sum(len(split) for split in dataset)
    budget = PixelBudget("the data set")
    done = 0
    for split in dataset:
        bad = []
        for i in range(len(split)):
            if not _readable(split, i, budget):
                bad.append(i)
            done += 1
            if done % 500 == 0 or done == total:
                check_cancel(cancel)
                if progress is not None:
                    progress(Progress("check", done, total))
        rows = np.array(bad, dtype=np.int64)
        if rows.size:
            what = _count(rows, "row", "no readable picture", split)
            advice = "Save the pictures again, or leave the rows out on import."
            yield Finding("error", what, split.name, rows, advice)


def _readable(split: Split, position: int, budget: PixelBudget) -> bool:
    try:
        data = split.image_bytes(position)
    except DataError:
        return False
    return image_problem(data, budget) is None


def _repeated(values: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Positions of all values that stand more than once, first ones included."""
    again = values[occurrence_numbers(values) > 0]
    return np.flatnonzero(np.isin(values, again))


def _none() -> npt.NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _count(rows: npt.NDArray[np.int64], noun: str, what: str, split: Split) -> str:
    """ "3 rows of train have no label."."""
    verb = "has" if rows.size == 1 else "have"
    number = f"1 {noun}" if rows.size == 1 else f"{rows.size:,} {noun}s"
    return f"{number} of {split.name} {verb} {what}."
