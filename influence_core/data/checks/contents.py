"""Findings about what rows hold: empty, unreadable, copied, leaked, with the same id."""

import sys
import threading
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.finding import NO_ROWS, Finding, Found, Rows, rows_have
from influence_core.data.dataset import Dataset, Split
from influence_core.data.images import PixelBudget, image_problem
from influence_core.data.keys import Keys, content_hashes, occurrence_numbers
from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn, check_cancel

# What was compared to say that there are no copies, or none on both sides of a split.
COMPARED = {
    "text": "Texts were compared as they are, and again without regard to case, blanks and "
    "punctuation; near copies show on the Labels page once a run is trained.",
    "table": "Rows were compared by all of their columns; near copies show on the Labels page once "
    "a run is trained.",
    "image": "Pictures were compared byte by byte; near copies show on the Labels page once a run "
    "is trained.",
}


def empty_texts(dataset: Dataset) -> Found:
    """Sentences with nothing in them."""
    if dataset.modality != "text":
        return
    advice = "Fill them in, or leave bad rows out (--drop-bad)."
    for split in dataset:
        blank = (not text.strip() for text in split.texts())
        rows = np.flatnonzero(np.fromiter(blank, dtype=bool, count=len(split)))
        if rows.size:
            what = rows_have(rows, "an empty text", split)
            yield Finding("error", what, split.name, rows, advice)


def repeated_ids(dataset: Dataset) -> Found:
    """Ids that stand twice in a split."""
    if dataset.source.id_column is None:
        return
    for split in dataset:
        _, codes = np.unique(np.array(split.ids, dtype=np.str_), return_inverse=True)
        rows = _repeated(codes)
        if rows.size:
            what = rows_have(
                rows, f"an id that stands twice, such as {split.ids[rows[0]]!r}", split
            )
            advice = "Fix the id column, choose another one (--id), or use none (--no-id)."
            yield Finding("error", what, split.name, rows, advice)


def duplicates(dataset: Dataset) -> Found:
    """Copies within a split, apart by whether their labels agree; exact ones, then others."""
    folded = _folded(dataset)
    for split in dataset:
        exact = _repeated(split.content_hashes)
        yield from _copies(split, exact, split.content_hashes, "")
        if folded:
            hashes = folded[split.name]
            others = np.setdiff1d(_repeated(hashes), exact)
            yield from _copies(split, others, hashes, ", apart from case, blanks or punctuation")


def _copies(split: Split, rows: Rows, hashes: Keys, apart: str) -> Found:
    """Of rows with a copy by these hashes, who agrees with all of its copies and who does not."""
    if not rows.size:
        return
    _, group = np.unique(hashes, return_inverse=True)
    lowest = np.full(group.max() + 1, np.iinfo(np.int64).max)
    highest = np.full(group.max() + 1, np.iinfo(np.int64).min)
    np.minimum.at(lowest, group, split.labels)
    np.maximum.at(highest, group, split.labels)
    differ = (lowest != highest)[group[rows]]
    if differ.any():
        what = rows_have(rows[differ], f"a copy with a different label{apart}", split)
        advice = "At most one of the labels is right; the Labels page lists them."
        yield Finding("warning", what, split.name, rows[differ], advice)
    if not differ.all():
        exact = "a copy" if apart else "an exact copy"
        what = rows_have(rows[~differ], f"{exact} with the same label{apart}", split)
        advice = "Harmless in small numbers; copies count twice in training and in scores."
        yield Finding("note", what, split.name, rows[~differ], advice)


def leakage(dataset: Dataset) -> Found:
    """Rows outside train whose content is also in train: they make accuracy look better."""
    folded = _folded(dataset)
    advice = "Take them out of one of the two; results on them are too good to be true."
    for split in dataset:
        if split.name == "train":
            continue
        exact = np.isin(split.content_hashes, dataset.train.content_hashes)
        alike = np.zeros_like(exact)
        if folded:
            alike = np.isin(folded[split.name], folded["train"]) & ~exact
        for found, apart in ((exact, ""), (alike, ", apart from case, blanks or punctuation")):
            rows = np.flatnonzero(found)
            if rows.size:
                what = rows_have(rows, f"the same content as a row of train{apart}", split)
                yield Finding("warning", what, split.name, rows, advice)


def missing_splits(dataset: Dataset) -> Found:
    """Nothing to measure by."""
    for name in ("valid", "test"):
        if name not in dataset.splits:
            advice = "Add rows, or let the import cut some off train."
            yield Finding("warning", f"There is no split {name!r}.", name, NO_ROWS, advice)


def unreadable_images(
    dataset: Dataset, progress: ProgressFn | None, cancel: threading.Event | None
) -> Found:
    """Pictures that cannot be decoded; every one is tried."""
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
            what = rows_have(rows, "no readable picture", split)
            advice = "Save the pictures again, or leave bad rows out (--drop-bad)."
            yield Finding("error", what, split.name, rows, advice)


def folded_text(text: str) -> str:
    """A text apart from case, blanks, punctuation and compatible letters; itself if all of it is.

    Signs such as + and emoji stay, so "C+" is not "C", and a lone emoji not another.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_dividers())
    return " ".join(plain.split()) or text


@cache
def _dividers() -> dict[int, str]:
    """Blanks for punctuation and separators, nothing for invisible format characters."""
    kinds = {c: unicodedata.category(chr(c)) for c in range(sys.maxunicode + 1)}
    return {c: "" if kind == "Cf" else " " for c, kind in kinds.items() if kind in _DIVIDING}


_DIVIDING = frozenset({"Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Zl", "Zp", "Zs", "Cf"})


def _folded(dataset: Dataset) -> dict[str, Keys]:
    """Hashes of the folded texts of every split; {} for pictures."""
    if dataset.modality != "text":
        return {}
    return {split.name: content_hashes(map(folded_text, split.texts())) for split in dataset}


def _readable(split: Split, position: int, budget: PixelBudget) -> bool:
    try:
        data = split.image_bytes(position)
    except DataError:
        return False
    return image_problem(data, budget) is None


def _repeated(values: npt.NDArray[np.integer]) -> Rows:
    """Positions of all values that stand more than once, first ones included."""
    again = values[occurrence_numbers(values) > 0]
    return np.flatnonzero(np.isin(values, again))
