"""One selection of a split's rows, which all views of the Explore page share and narrow.

A `View` holds what can be asked of the rows of a split in columns, made once a run; a `Selection`
says which are meant. Everything here is a mask or a count over columns, so that 50,000 rows in 200
classes are answered at once. Called by the Explore page.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.data.dataset import Split, containing
from influence_core.workflow.explain.items import Which, predictions
from influence_core.workflow.explain.map import read_map
from influence_core.workflow.review.scores import flagged_keys
from influence_core.workflow.session import Session

Mask = npt.NDArray[np.bool_]
BINS = 20  # of confidence, five points each
MOST_VALUES = 200  # of a column, to be filtered by
_BLOCK = 1024


@dataclass(frozen=True)
class Selection:
    """Which rows are meant; all that is said must hold.

    Attributes:
        which: errors, right predictions, or all.
        true, predicted: names of classes, any of which.
        low, high: confidence of the prediction in per cent; the upper bound counts only at 100.
        text: part of the sentence, or of the id of a picture.
        columns: "column=value", any of the values of a column.
        suspicious: only rows whose label is flagged.
        area: corners x0, y0, x1, y1, … of a lasso on the map.
        slice, saved: names of a found and of a saved slice; the page knows their rows.
    """

    which: Which = "all"
    true: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()
    low: int = 0
    high: int = 100
    text: str = ""
    columns: tuple[str, ...] = ()
    suspicious: bool = False
    area: tuple[float, ...] = ()
    slice: str = ""
    saved: str = ""

    def name(self) -> str:
        """What it is, for people; "everything" without any condition."""
        parts = {"errors": ["wrong"], "right": ["right"], "all": []}[self.which]
        parts += [f"true {' or '.join(self.true)}"] if self.true else []
        parts += [f"predicted {' or '.join(self.predicted)}"] if self.predicted else []
        if (self.low, self.high) != (0, 100):
            parts.append(f"confidence {self.low} to {self.high} %")
        parts += [f"with “{self.text.strip()}”"] if self.text.strip() else []
        parts += [*self.columns]
        parts += ["suspicious label"] * self.suspicious + ["inside the lasso"] * bool(self.area)
        parts += [f"slice {one}" for one in (self.slice, self.saved) if one]
        return " · ".join(parts) or "everything"


@dataclass(frozen=True, eq=False)
class View:
    """The rows of a split in columns.

    Attributes:
        split: the rows.
        classes: names in label order.
        table: `items.predictions` of them.
        suspicious: (n,) whether a training row's label is flagged; False for other splits.
        places: (n, 2) on the map; NaN where a row has no place. None if there is no map.
    """

    split: Split
    classes: tuple[str, ...]
    table: pd.DataFrame
    suspicious: Mask
    places: npt.NDArray[np.float32] | None = None
    _values: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def values(self, column: str) -> npt.NDArray[np.object_]:
        """(n,) a column of the file as text; "" where it says nothing."""
        if column not in self._values:
            cells = pd.Series(self.split.extra(column))
            text = cells.astype(str).where(cells.notna(), "")
            self._values[column] = text.to_numpy(dtype=object)
        return self._values[column]

    def choices(self, column: str) -> list[str]:
        """Its values, the most frequent first."""
        counts = pd.Series(self.values(column)).value_counts()
        return [str(value) for value in counts.index[:MOST_VALUES]]

    def wrong(self) -> Mask:
        """(n,) whether a labelled row is predicted wrongly."""
        label = self.table["label_number"].to_numpy()
        return np.asarray((label >= 0) & (label != self.table["predicted_number"].to_numpy()))

    def selected(self, wanted: Selection, among: Collection[int] | None = None) -> Mask:
        """(n,) the rows that are meant.

        Args:
            wanted: what is asked for.
            among: positions of the rows in all slices that it names.
        """
        table, wrong = self.table, self.wrong()
        known = table["label_number"].to_numpy() >= 0
        held = {"all": np.ones(len(table), np.bool_), "errors": wrong, "right": known & ~wrong}[
            wanted.which
        ].copy()
        for column, names in (("label", wanted.true), ("predicted", wanted.predicted)):
            if names:
                numbers = [self.classes.index(name) for name in names]
                held &= np.isin(table[f"{column}_number"].to_numpy(), numbers)
        if (wanted.low, wanted.high) != (0, 100):
            percent = 100 * table["confidence"].to_numpy()
            held &= (percent >= wanted.low) & ((percent < wanted.high) | (wanted.high == 100))
        if wanted.text.strip():
            held &= containing(self.split, wanted.text)
        for column in dict.fromkeys(part.partition("=")[0] for part in wanted.columns):
            own = [part[len(column) + 1 :] for part in wanted.columns
                   if part.partition("=")[0] == column]  # fmt: skip
            held &= np.isin(self.values(column).astype(str), own)
        if wanted.suspicious:
            held &= self.suspicious
        if wanted.area:
            held &= self._inside(wanted.area)
        if among is not None:
            held &= np.isin(np.arange(len(held)), np.fromiter(among, dtype=np.int64))
        return held

    def per_class(self, held: Mask, decided: Mask) -> pd.DataFrame:
        """Of the selected rows, a line a class that any of them has or is taken for.

        Columns: class, rows, errors, precision, recall (NaN where nothing is counted), suspicious,
        decided; the class with most errors first.
        """
        many = len(self.classes)
        label = self.table["label_number"].to_numpy()[held]
        predicted = self.table["predicted_number"].to_numpy()[held]
        known = label >= 0
        right = known & (label == predicted)

        def count(values: npt.NDArray[np.int64], which: Mask) -> npt.NDArray[np.int64]:
            return np.bincount(values[which], minlength=many)

        rows, hits, taken = count(label, known), count(label, right), count(predicted, known)
        with np.errstate(invalid="ignore"):
            precision, recall = hits / taken, hits / rows
        out = pd.DataFrame(
            {
                "class": self.classes, "rows": rows, "errors": rows - hits, "precision": precision,
                "recall": recall, "suspicious": count(label, known & self.suspicious[held]),
                "decided": count(label, known & decided[held]),
            }
        )  # fmt: skip
        out = out[(rows > 0) | (taken > 0)]
        return out.sort_values(["errors", "rows"], ascending=False, kind="stable")

    def cells(self, held: Mask) -> npt.NDArray[np.int64]:
        """(C, C) selected rows by true and predicted class."""
        return cells(self.table[held], len(self.classes))

    def confidences(self, held: Mask) -> npt.NDArray[np.int64]:
        """(2, BINS) how many selected rows are right, and how many wrong, by confidence."""
        confidence = self.table["confidence"].to_numpy()
        number = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
        wrong = self.wrong()
        return np.stack(
            [np.bincount(number[held & one], minlength=BINS) for one in (~wrong, wrong)]
        )

    def _inside(self, area: Sequence[float]) -> Mask:
        if self.places is None or len(area) < 6:
            return np.zeros(len(self.table), np.bool_)
        return inside(self.places, np.array(area, np.float64).reshape(-1, 2))


def cells(table: pd.DataFrame, classes: int) -> npt.NDArray[np.int64]:
    """(C, C) labelled rows of `items.predictions` by true and predicted class."""
    known = table[table["label_number"] >= 0]
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (known["label_number"], known["predicted_number"]), 1)
    return counts


def inside(places: npt.NDArray[np.float32], corners: npt.NDArray[np.float64]) -> Mask:
    """(n,) which places (n, 2) lie in a polygon (m, 2): a ray to the right meets an odd number of
    its sides."""
    x, y = places[:, 0].astype(np.float64), places[:, 1].astype(np.float64)
    held = np.zeros(len(places), np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        if crosses.any():
            held ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return held


def open_view(session: Session, name: str) -> View:
    """The rows of a split as the Explore page asks about them.

    Raises:
        DataError: there is no such split. StoreError: the map is damaged.
    """
    split = session.project.dataset.split(name)
    suspicious = np.zeros(len(split), np.bool_)
    if name == "train":
        flags = np.array(sorted(flagged_keys(session.run)), dtype=np.uint64)
        suspicious = np.isin(split.keys, flags)
    table = predictions(session, name).drop(columns=["key"])
    return View(split, session.classes, table, suspicious, places_of(session, name))


def places_of(session: Session, name: str) -> npt.NDArray[np.float32] | None:
    """(n, 2) of the rows of a split on the map, None if there is none.

    A row that the map does not hold stands where the most similar row does that it holds (cosine).
    """
    known = read_map(session.project, session.run.record.encoder_fingerprint)
    if known is None:
        return None
    xy = known[["x", "y"]].to_numpy(np.float32)
    at = np.array(known["position"], dtype=np.int64)  # not the read-only one of the frame
    size = len(session.project.dataset.split(name))
    out = np.full((size, 2), np.nan, np.float32)
    if name == "train":
        out[at] = xy
        return out
    base = _unit(session.features.rows(torch.from_numpy(at)))
    features = session.split_features(name)
    for rows in torch.arange(size).split(_BLOCK):
        best = (_unit(features.rows(rows)) @ base.T).argmax(1).cpu().numpy()
        out[rows.numpy()] = xy[best]
    return out


def _unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)


NOTHING = Selection()
