"""The verb `slices`: parts of a split on which the model errs more than their classes explain.

Half of the labelled rows of every split find, the other half judges; training rows are seen by
their flipped side, which never learned from them. A row's class in its own split says what is
expected of it, as splits differ.
Beside each stands what may be behind it: rows missing here, if training has too few rows of the
slice, or wrong rows here, if more labels of its training rows look wrong than elsewhere.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from influence_core.cleansing.slices import Judged, measure, search, within
from influence_core.data.keys import to_hex
from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import Session
from influence_core.workflow.slices.columns import (
    Places,
    Rows,
    coded,
    columns_of,
    looked_at,
    named,
    rows_of,
)

MOST = 20_000  # rows at most that find, and that measure; a sample of more says the same
LEAST, SHARE = 20, 0.005  # rows of a slice among those that find it: so many, and such a share
FEWEST = 10  # rows of a slice among those that measure it
ENOUGH = 100  # rows that measure
SURE = 0.01  # how improbable by chance what is said of the training rows must be, for each slice
_SEED = 0x51C3
_STEPS = 4


@dataclass(frozen=True)
class Slice:
    """One part on which the model errs more.

    Attributes:
        name: what holds of all its rows.
        judged: how it does on rows that did not find it.
        items: positions of its rows in the split that was asked about, ascending.
        rows: of its training rows, likewise.
        flagged: how many labels of those look wrong, and `elsewhere` their share in all others.
        missing, mislabelled: whether training has fewer rows of it, by share, than the split has;
            and whether more of them look wrong than elsewhere; each beyond chance.
    """

    name: str
    judged: Judged
    items: Places
    rows: Places
    flagged: int
    elsewhere: float
    missing: bool
    mislabelled: bool

    def sentence(self) -> str:
        """For people: 34 rows judged, 41 % wrong (22 % to 63 %); 13 % are expected …"""
        found = self.judged
        return (
            f"{found.size:,} rows judged, {100 * found.rate:.0f} % wrong ({100 * found.low:.0f} % "
            f"to {100 * found.high:.0f} %); {100 * found.expected:.0f} % are expected of their "
            f"classes{'.' if found.beyond else ': no more than chance explains.'}"
        )

    def behind(self) -> str:
        """What may be behind it, for people."""
        many = len(self.rows)
        parts = []
        if self.mislabelled:
            parts.append(
                f"Wrong rows here: {self.flagged:,} of {many:,} training rows look mislabelled "
                f"(elsewhere {100 * self.elsewhere:.0f} %)."
            )
        if self.missing:
            parts.append(f"Rows missing here: only {many:,} training rows are of this slice.")
        return " ".join(parts) or (
            f"Neither missing nor wrong rows stand out among its {many:,} training rows."
        )


@dataclass(frozen=True)
class Slices:
    """What was found.

    Attributes:
        split: whose items each slice lists.
        found: those beyond chance first, each by how improbable it is.
        wrong, known: errors among the rows that judged, and those rows.
    """

    split: str
    found: tuple[Slice, ...]
    wrong: int
    known: int

    @property
    def beyond(self) -> tuple[Slice, ...]:
        """Those that chance does not explain."""
        return tuple(one for one in self.found if one.judged.beyond)

    def sentence(self) -> str:
        """For people: 2 slices of test are wrong more often than their classes explain."""
        many = len(self.beyond)
        if not many:
            what = "No slice is wrong more often than its classes explain"
        elif many == 1:
            what = "1 slice is wrong more often than its classes explain"
        else:
            what = f"{many} slices are wrong more often than their classes explain"
        return (
            f"{what}. Found on one half of the labelled rows of all splits, judged on the other: "
            f"{self.wrong:,} of {self.known:,} are wrong. Intervals are corrected for "
            f"{len(self.found)} slices."
        )


def find_slices(
    session: Session,
    split: str,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Slices:
    """Search parts of the data on which the model errs.

    Args:
        split: whose items are listed.

    Raises:
        DataError: there is no such split, or too few rows have a label.
        CancelledError: it was stopped.
    """

    def tell(done: int, what: str) -> None:
        check_cancel(cancel)
        if progress:
            progress(Progress("slices", done, _STEPS, what))

    session.project.dataset.split(split)
    tell(0, "reading rows")
    halves = [_Half.of(session, places) for places in _halves(session)]
    finding, judging = halves
    if len(judging.wrong) < ENOUGH:
        raise DataError(
            f"Too few items have a label to find slices: {len(judging.wrong):,} would measure, and "
            f"{ENOUGH} are needed."
        )
    least = max(LEAST, round(SHARE * len(finding.wrong)))
    tell(1, "describing rows")
    columns = columns_of(finding.parts, finding.wrong, least)
    tell(2, "searching")
    codes = coded(columns, finding.parts)
    found = search(codes, finding.wrong, finding.strata, least, looked_at(columns))
    used = {column for predicates in found for column, _ in predicates}
    tell(3, "judging")

    def masks(parts: Sequence[Rows]) -> list[npt.NDArray[np.bool_]]:
        own = coded(columns, parts, used)
        return [within(own, predicates) for predicates in found]

    judged = measure(masks(judging.parts), judging.wrong, judging.strata, FEWEST)
    items, rows = (masks([_every(session, name)]) for name in (split, "train"))
    out = [
        _slice(session, named(columns, ours), verdict, mask, own)
        for ours, mask, own, verdict in zip(found, items, rows, judged, strict=True)
        if verdict is not None
    ]
    out.sort(key=lambda one: (not one.judged.beyond, one.judged.p))
    tell(_STEPS, "done")
    return Slices(split, tuple(out), int(judging.wrong.sum()), len(judging.wrong))


@dataclass(frozen=True)
class _Half:
    """Rows of all splits that find, or those that measure.

    Attributes:
        parts: of each split.
        wrong: (n,) of all of them, whether the model errs.
        strata: (n,) a number for each class of each split: a split may be harder than another.
    """

    parts: list[Rows]
    wrong: npt.NDArray[np.bool_]
    strata: npt.NDArray[np.int64]

    @classmethod
    def of(cls, session: Session, places: Mapping[str, Places]) -> "_Half":
        parts = [rows_of(session, name, at) for name, at in places.items()]
        wrong = [_wrong(session, name)[at] for name, at in places.items()]
        many = len(session.classes)
        strata = [many * i + part.split.labels[part.at] for i, part in enumerate(parts)]
        return cls(
            parts, np.concatenate(wrong), np.unique(np.concatenate(strata), return_inverse=True)[1]
        )


def _halves(session: Session) -> tuple[dict[str, Places], dict[str, Places]]:
    """Positions of labelled rows that find and that measure, by split: seeded halves of each."""
    known = {
        part.name: np.flatnonzero(part.labels >= 0)
        for part in session.project.dataset
        if session.run.has_table("rows" if part.name == "train" else f"pred-{part.name}")
    }
    share = min(1.0, 2 * MOST / max(1, sum(map(len, known.values()))))
    rng = np.random.default_rng(_SEED)
    mixed = {name: rng.permutation(at)[: round(share * len(at))] for name, at in known.items()}
    first, second = ({name: np.sort(at[i::2]) for name, at in mixed.items()} for i in (0, 1))
    return first, second


def _every(session: Session, name: str) -> Rows:
    return rows_of(session, name, np.arange(len(session.project.dataset.split(name))))


def _wrong(session: Session, split: str) -> npt.NDArray[np.bool_]:
    table = predictions(session, split)
    label = table["label_number"].to_numpy()
    return np.asarray((label >= 0) & (label != table["predicted_number"].to_numpy()))


def _slice(
    session: Session,
    name: str,
    judged: Judged,
    mask: npt.NDArray[np.bool_],
    own: npt.NDArray[np.bool_],
) -> Slice:
    """With what the training rows of the slice say."""
    from scipy.stats import fisher_exact

    train = session.project.dataset.train
    bad = np.isin(train.keys, np.array(sorted(suspects(session)), dtype=np.uint64))
    flagged, rest = int(bad[own].sum()), int(bad[~own].sum())
    table = [[flagged, int(own.sum()) - flagged], [rest, int((~own).sum()) - rest]]
    wrong = fisher_exact(table, alternative="greater").pvalue < SURE
    here = [[int(own.sum()), int((~own).sum())], [int(mask.sum()), int((~mask).sum())]]
    missing = fisher_exact(here, alternative="less").pvalue < SURE
    return Slice(
        name, judged, np.flatnonzero(mask), np.flatnonzero(own), flagged,
        rest / max(1, int((~own).sum())), bool(missing), bool(wrong),
    )  # fmt: skip


def plain_slices(session: Session, slices: Slices, top: int) -> dict[str, Any]:
    """As JSON, with the keys of at most `top` items a slice."""
    keys = session.project.dataset.split(slices.split).keys
    return {
        "split": slices.split,
        "errors": slices.wrong,
        "items": slices.known,
        "slices": [
            {
                "name": one.name,
                "sentence": one.sentence(),
                "behind": one.behind(),
                "beyond_chance": one.judged.beyond,
                **asdict(one.judged),
                "of_split": len(one.items),
                "training_rows": len(one.rows),
                "suspicious": one.flagged,
                "missing_rows": one.missing,
                "wrong_rows": one.mislabelled,
                "keys": [to_hex(int(key)) for key in keys[one.items[:top]]],
            }
            for one in slices.found
        ],
    }
