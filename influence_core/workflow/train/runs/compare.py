"""Compare two runs on the same items: which turned from wrong to right, which back, and is it luck.

The Runs page calls it. Only items with a label that both runs have predicted are compared, matched
by key. The test is McNemar's in its exact form (McNemar 1947, Psychometrika 12): were the runs
equally good, every changed item would be a toss of a coin.
"""

from dataclasses import dataclass

import pandas as pd

from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.store.runs import Run

FIXED, BROKEN = "fixed", "broken"


@dataclass(frozen=True)
class RunComparison:
    """Two runs on one split.

    Attributes:
        split: of the items.
        items: number of items compared.
        first_right: items that the first run has right.
        second_right: items that the second run has right.
        changed: a row for each item that only one run has right: `key`, `id`, `label`, `first` and
            `second` (predicted class names), `change` ("fixed": the second run has it right,
            "broken": only the first), `p_first` and `p_second` (probability of the label).
        p_value: of McNemar's exact test, two-sided; 1.0 if nothing changed.
    """

    split: str
    items: int
    first_right: int
    second_right: int
    changed: pd.DataFrame
    p_value: float

    @property
    def fixed(self) -> int:
        """Items that turned from wrong to right."""
        return int((self.changed["change"] == FIXED).sum())

    @property
    def broken(self) -> int:
        """Items that turned from right to wrong."""
        return int((self.changed["change"] == BROKEN).sum())

    @property
    def sentence(self) -> str:
        """What the test means, in words."""
        if not len(self.changed):
            return f"Both runs have the same of the {self.items:,} items right."
        better = "second" if self.fixed > self.broken else "first"
        odds = (
            f"If both runs were equally good, a split of {len(self.changed):,} changed items as "
            f"uneven as {self.fixed:,} to {self.broken:,} would come about with probability "
            f"{_chance(self.p_value)} (McNemar's exact test)"
        )
        if self.p_value < 0.05:
            return f"{odds}: the {better} run is better on this split, beyond chance."
        return f"{odds}: that is within chance, so neither run is shown to be better."


def _chance(p: float) -> str:
    """0.012; below one in a thousand only that, as nobody reads more into it."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def compare_runs(project: Project, first: str, second: str, split: str) -> RunComparison:
    """Compare what two runs predicted for a split.

    Args:
        project: of both runs.
        first: id of the run to start from.
        second: id of the run that should be better.
        split: whose predictions both runs keep.

    Raises:
        DataError: a run has no predictions of that split, or they share no labelled item.
        StoreError: there is no such run, or a table is damaged.
        MismatchError: a run was trained on other data.
    """
    from scipy.stats import binomtest

    before, after = (_predictions(project.run(name), split) for name in (first, second))
    both = before.merge(after, on="key", suffixes=("_first", "_second"))
    both = both[both["label_first"] >= 0]
    if both.empty:
        raise DataError(f"The two runs share no labelled item of split '{split}' to compare.")
    label = both["label_first"]
    was, now = both["predicted_first"] == label, both["predicted_second"] == label
    changed = both[was != now]
    fixed, broken = int((~was & now).sum()), int((was & ~now).sum())
    p_value = float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return RunComparison(
        split, len(both), int(was.sum()), int(now.sum()), _named(project, split, changed), p_value
    )


def splits_of(project: Project, first: str, second: str) -> list[str]:
    """Names of the splits that both runs have predicted, in the order of the data."""
    runs = [project.run(name) for name in (first, second)]
    names = list(project.header.splits)
    return [name for name in names if all(run.has_table(f"pred-{name}") for run in runs)]


def _predictions(run: Run, split: str) -> pd.DataFrame:
    if not run.has_table(f"pred-{split}"):
        raise DataError(f"Run '{run.id}' keeps no predictions of split '{split}'; train again.")
    return run.table(f"pred-{split}")[["key", "label", "predicted", "p_label"]]


def _named(project: Project, split: str, changed: pd.DataFrame) -> pd.DataFrame:
    """Class names for numbers; the greatest change of the label's probability first."""
    data = project.dataset.split(split)
    names = project.dataset.classes
    keys = changed["key"].to_numpy()
    ids = data.table.column("id").take(data.positions_of(keys)).to_pylist()
    now = changed["predicted_second"] == changed["label_first"]
    out = pd.DataFrame(
        {
            "key": keys,
            "id": ids,
            "label": [names[c] for c in changed["label_first"]],
            "first": [names[c] for c in changed["predicted_first"]],
            "second": [names[c] for c in changed["predicted_second"]],
            "change": now.map({True: FIXED, False: BROKEN}).to_numpy(),
            "p_first": changed["p_label_first"].to_numpy(),
            "p_second": changed["p_label_second"].to_numpy(),
        }
    )
    size = (out["p_second"] - out["p_first"]).abs()
    return out.iloc[size.argsort(kind="stable")[::-1]].reset_index(drop=True)
