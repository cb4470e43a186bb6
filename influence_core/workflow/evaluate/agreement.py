"""How well each method agrees with retraining on this project, for menus. Only stored tables."""

from influence_core.evaluation.lds import Interval
from influence_core.influence import DEFAULT_ESTIMATOR
from influence_core.store.project import Project
from influence_core.store.runs import Run

TABLES = ("eval-same", "eval-lds")  # this very model, models trained like it


def agreements(run: Run) -> dict[str, Interval]:
    """By method, the mean rank correlation (LDS) with the retrainings of this run's evaluation.

    Of retrainings of this very model where they were made, else of models trained like it; a method
    that was not evaluated is missing.

    Raises:
        StoreError: a table is damaged.
    """
    found: dict[str, Interval] = {}
    for name in TABLES:
        if not run.has_table(name):
            continue
        for method, part in run.table(name).groupby("estimator", sort=False):
            means = part.groupby(["kind", "key"], sort=False)["lds"].mean()
            found.setdefault(str(method), Interval.of(means.to_numpy()))
    return found


def items(run: Run) -> int:
    """On how many items the agreement was measured; 0 if it was not.

    Raises:
        StoreError: a table is damaged.
    """
    tables = (run.table(name) for name in TABLES if run.has_table(name))
    return max((len(table[["kind", "key"]].drop_duplicates()) for table in tables), default=0)


def of_default(project: Project, run: Run) -> str:
    """That of the project's default method, for a table: "0.83 ± 0.05"."""
    interval = agreements(run).get(project.settings.default_estimator or DEFAULT_ESTIMATOR)
    return "not evaluated" if interval is None or not interval.count else str(interval)


def told(method: str, found: dict[str, Interval]) -> str:
    """For people: "agreement with retraining on this project: 0.83 ± 0.05"."""
    interval = found.get(method)
    if interval is None or not interval.count:
        return "not evaluated"
    return f"agreement with retraining on this project: {interval}"
