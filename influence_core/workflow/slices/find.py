"""The verb `slices`: parts of a split on which a model does worse than their classes explain.

One half of the labelled rows of every split finds slices that the other half judges, and the other
way round, so that every row does both, but never for the same slice; training rows are seen by
their flipped side, which never learned from them. A row's class in its own split says what is
expected of it, as splits differ.
Beside each stands what may be behind it: rows missing here, if training has too few rows of the
slice, or wrong rows here, if more labels of its training rows look wrong than elsewhere.
"""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from influence_core.cleansing.slices import (
    Codes,
    Judged,
    Mask,
    Predicates,
    distinct,
    measure,
    search,
    within,
)
from influence_core.data.keys import to_hex
from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import Session
from influence_core.workflow.slices.columns import (
    Column,
    Places,
    Rows,
    coded,
    columns_of,
    looked_at,
    named,
    rows_of,
    things,
    words_of,
)
from influence_core.workflow.slices.known import Known

LEAST, SHARE = 20, 0.005  # rows of a slice in the half that finds it: so many, and such a share
FEWEST = 10  # rows of a slice in the half that judges it
ENOUGH = 100  # rows of a half
SURE = 0.01  # how improbable by chance what is said of the training rows must be, for each slice
_STEPS = 4


@dataclass(frozen=True)
class Slice:
    """One part on which the model does worse.

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
            f"classes. Its labels surprise the model {'' if found.beyond else 'no '}more than "
            "chance explains."
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
        found: those first that are worse by most at least, so those beyond chance.
        judged: slices that were judged, of which those that say the same are listed once.
        wrong, known: errors among the rows that found and judged, and those rows.
    """

    split: str
    found: tuple[Slice, ...]
    judged: int
    wrong: int
    known: int

    @property
    def beyond(self) -> tuple[Slice, ...]:
        """Those that chance does not explain."""
        return tuple(one for one in self.found if one.judged.beyond)

    def sentence(self) -> str:
        """For people: on 2 slices the model does worse than their classes explain."""
        many = len(self.beyond)
        if not many:
            what = "On no slice does the model do worse than its classes explain"
        elif many == 1:
            what = "On 1 slice the model does worse than its classes explain"
        else:
            what = f"On {many} slices the model does worse than their classes explain"
        return (
            f"{what}. What one half of the labelled rows of all splits finds is judged on the "
            f"other half, both ways: {self.wrong:,} of {self.known:,} are wrong. Intervals are "
            f"corrected for {self.judged} slices."
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
    known = Known.of(session)
    half = int((~known.first).sum())
    if half < ENOUGH:
        raise DataError(
            f"Too few items have a label to find slices: {half:,} would measure, and {ENOUGH} "
            "are needed."
        )
    least = max(LEAST, round(SHARE * half))
    tell(1, "describing rows")
    columns, owner = _columns(known, least)
    codes = coded(columns, known.parts)
    tell(2, "searching")
    found = _found(known, codes, owner, looked_at(columns), least)
    tell(3, "judging")
    masks = [rows for _, rows in found]
    judged = measure(masks, known.wrong, known.loss, known.strata, FEWEST)
    sure = [(one, told) for (one, _), told in zip(found, judged, strict=True) if told is not None]
    sure.sort(key=lambda pair: -pair[1].excess_low)
    kept = [sure[i] for i in distinct([within(codes, one) for one, _ in sure])]
    used = {column for predicates, _ in kept for column, _ in predicates}
    items, rows = (coded(columns, [_every(session, name)], used) for name in (split, "train"))
    out = [
        _slice(session, named(columns, one), told, within(items, one), within(rows, one))
        for one, told in kept
    ]
    tell(_STEPS, "done")
    return Slices(split, tuple(out), len(sure), int(known.wrong.sum()), len(known.wrong))


def _columns(known: Known, least: int) -> tuple[list[Column], npt.NDArray[np.int64]]:
    """Columns, and for each thing they say which half chose it by its loss, or -1."""
    shared = columns_of(known.parts, 2 * least)
    words = [words_of(known.parts, known.loss, finds, least) for finds in known.halves]
    owner = np.repeat((-1, 0, 1), [things(part) for part in (shared, *words)])
    return [*shared, *words[0], *words[1]], owner


def _found(
    known: Known,
    codes: Codes,
    owner: npt.NDArray[np.int64],
    looked: Sequence[int],
    least: int,
) -> list[tuple[Predicates, Mask]]:
    """What each half finds without the words of the other, and the (n,) rows that measure it."""
    out = []
    for number, finds in enumerate(known.halves):
        own = np.where(owner == 1 - number, 0, codes)[finds]
        found = search(own, known.loss[finds], known.strata[finds], least, looked)
        out += [(one, within(codes, one) & ~finds) for one in found]
    return out


def _every(session: Session, name: str) -> Rows:
    return rows_of(session, name, np.arange(len(session.project.dataset.split(name))))


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
