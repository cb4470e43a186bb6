"""Findings about what rows hold: empty, unreadable, copied, leaked, with the same id."""

import threading
import unicodedata
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.finding import NO_ROWS, Finding, Found, Rows, rows_have
from influence_core.data.dataset import Dataset, Split
from influence_core.data.images import PixelBudget, image_problem
from influence_core.data.keys import Keys, content_hashes, occurrence_numbers
from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn, check_cancel

LEAKED = (
    "Results on them are too good to be true: take them out of one of the two, as Duplicates on "
    "the Labels page does."
)
# What was compared to say that there are no copies, or none on both sides of a split.
COMPARED = {
    "text": "Texts were compared as they are, without regard to case, blanks and punctuation, and "
    "by the letters they share; those alike in meaning are no copies.",
    "table": "Rows were compared by all of their columns; near copies, by features of your own, "
    "are found by Duplicates on the Labels page alone.",
    "image": "Pictures were compared byte by byte, and small and grey, crops included: a copy "
    "that is turned, or of which a quarter of a side is cut off, is not found so; those alike to "
    "the encoder are no copies.",
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
            yield Finding("empty-texts", "error", what, split.name, rows, advice)


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
            yield Finding("repeated-ids", "error", what, split.name, rows, advice)


def copies(dataset: Dataset) -> Found:
    """Rows with the same content, within a split and on both sides of one."""
    folded = folded_hashes(dataset)
    yield from _within(dataset, folded)
    yield from _leaked(dataset, folded)


def _within(dataset: Dataset, folded: Mapping[str, Keys]) -> Found:
    """Copies within a split, apart by whether their labels agree; exact ones, then others."""
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
        advice = "At most one of the labels is right; Duplicates on the Labels page lists them."
        yield Finding("conflicting-duplicates", "warning", what, split.name, rows[differ], advice)
    if not differ.all():
        exact = "a copy" if apart else "an exact copy"
        what = rows_have(rows[~differ], f"{exact} with the same label{apart}", split)
        advice = "Harmless in small numbers; copies count twice in training and in scores."
        yield Finding("duplicates", "note", what, split.name, rows[~differ], advice)


def _leaked(dataset: Dataset, folded: Mapping[str, Keys]) -> Found:
    """Rows outside train whose content is also in train: they make accuracy look better."""
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
                yield Finding("leakage", "warning", what, split.name, rows, LEAKED)


def missing_splits(dataset: Dataset) -> Found:
    """Nothing to measure by."""
    for name in ("valid", "test"):
        if name not in dataset.splits:
            advice = "Add rows, or let the import cut some off train."
            what = f"There is no split {name!r}."
            yield Finding("missing-splits", "warning", what, name, NO_ROWS, advice)


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
            yield Finding("unreadable-images", "error", what, split.name, rows, advice)


def folded_text(text: str) -> str:
    """A text apart from case, blanks, punctuation and compatible letters; itself if all of it is.

    Signs such as + and emoji stay, so "C+" is not "C", and a lone emoji not another.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_DIVIDERS)
    return " ".join(plain.split()) or text


class _Dividers(dict[int, str | int]):
    """Blanks for punctuation and separators, nothing for invisible format characters.

    Each character is looked up when a text first has it: all 1.1 million take half a second.
    """

    def __missing__(self, character: int) -> str | int:
        kind = unicodedata.category(chr(character))
        found = "" if kind == "Cf" else " " if kind in _DIVIDING else character
        self[character] = found
        return found


_DIVIDING = frozenset({"Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Zl", "Zp", "Zs"})
_DIVIDERS = _Dividers()


def folded_hashes(dataset: Dataset) -> dict[str, Keys]:
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
