"""Which estimator should be the project's default, by what was measured of both questions.

*This model*: what would this very model do without some rows (table `same`)? *A model trained like
this*: what would one from any start do (table `lds`)? `evaluation.choose` decides.
"""

import numpy as np
import pandas as pd

from influence_core.evaluation.choose import best_estimator
from influence_core.evaluation.lds import Array, Interval
from influence_core.influence import DEFAULT_ESTIMATOR, ESTIMATORS
from influence_core.influence.estimators.blend import COMBINED
from influence_core.workflow.evaluate.stand_in import SENTENCE
from influence_core.workflow.evaluate.work import Work

FEWEST = 50  # items; by fewer, the best of several is chance
QUESTIONS = {"same": "for this model without some rows", "lds": "for models trained like it"}


def choose_default(work: Work) -> None:
    """Leave the best estimator and the reason; a blend of one part is that part under a name."""
    questions = {
        name: _by_estimator(table)
        for name in QUESTIONS
        if (table := _table(work, name)) is not None
    }
    order = [name for name in ESTIMATORS if name != COMBINED.name or len(_blend(work)) > 1]
    usual, count = DEFAULT_ESTIMATOR, len(work.keys)
    few = count < FEWEST
    best = usual if few else best_estimator(list(questions.values()), order)
    work.estimator = best
    against = "" if best == usual else f"; {ESTIMATORS[usual].title} {_figures(questions, usual)}"
    work.reason = f"agreement with retraining {_figures(questions, best)}{against}"
    if few:
        work.reason += (
            f"; {count} items are too few to tell whether another is better, take {FEWEST}"
        )
    elif best == usual:
        work.reason += "; none was better beyond the error of measuring"
    if work.session.evidence.head is None:
        work.reason += f". {SENTENCE}"
    for name, found in questions.items():
        work.figures[name] = Interval.of(found[best]).mean


def _blend(work: Work) -> dict[str, float]:
    weights: dict[str, float] = work.settings.get(COMBINED.name, {}).get("weights", {})
    return weights


def _table(work: Work, name: str) -> pd.DataFrame | None:
    """What this evaluation, or an earlier one of the run, has measured."""
    if name in work.tables:
        return work.tables[name]
    run = work.session.run
    return run.table(f"eval-{name}") if run.has_table(f"eval-{name}") else None


def _by_estimator(table: pd.DataFrame) -> dict[str, Array]:
    """LDS of each target, (T,), the mean over the shares dropped where there are several."""
    return {
        str(name): np.asarray(part.groupby(["kind", "key"], sort=False)["lds"].mean(), np.float64)
        for name, part in table.groupby("estimator", sort=False)
    }


def _figures(questions: dict[str, dict[str, Array]], name: str) -> str:
    return " and ".join(
        f"{Interval.of(found[name])} {QUESTIONS[question]}" for question, found in questions.items()
    )
