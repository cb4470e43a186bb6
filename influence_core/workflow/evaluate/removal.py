"""The stage `removal`: how much worse do items get without the rows that helped them most?

Curves over a few sizes (`evaluation.removal`), and in one figure Bergson's query loss difference:
the rise of an item's loss without its top 1 % minus that without random rows. Both retrain one
member from another start, so they are about *a model trained like this one*.
"""

import numpy as np
import pandas as pd
import torch

from influence_core.evaluation.lds import Interval
from influence_core.evaluation.removal import (
    SIZES,
    most_helpful,
    one_percent,
    query_loss_differences,
    removal_curves,
)
from influence_core.influence.base import Targets
from influence_core.influence.estimators.blend import TOGETHER
from influence_core.influence.estimators.replay import REPLAY
from influence_core.workflow.evaluate.lds import RANDOM, WRONG
from influence_core.workflow.evaluate.work import Work, some_targets

REMOVAL_TARGETS = 10  # of each kind; the curves are of the misclassified ones


def measure_removal(work: Work) -> None:
    """Rank the rows of a few items by every estimator and retrain without the first ones."""
    n = len(work.session.evidence)
    k = max(*SIZES, one_percent(n))
    rankings = {name: most_helpful(work.query(name), n, k) for name in ranked_by(work.parts)}
    _curves(work, {name: rankings[name] for name in work.parts})
    _differences(work, rankings)


def ranked_by(parts: list[str]) -> list[str]:
    """Estimators that are compared: the single ones, and ridge and replay together."""
    return [*parts, TOGETHER.name] if REPLAY.name in parts else parts


def _curves(work: Work, rankings: dict[str, np.ndarray]) -> None:
    some = some_targets(work, REMOVAL_TARGETS)
    points = removal_curves(
        work.recipe(1),
        some,
        {name: ranking[: len(some)] for name, ranking in rankings.items()},
        parts=work.kept("removal"),
        progress=work.tell("removal"),
        cancel=work.cancel,
    )
    work.tables["removal"] = pd.DataFrame(
        {"estimator": p.estimator, "removed": p.removed, "rise": p.rise.mean, "half": p.rise.half}
        for p in points
    )


def _differences(work: Work, rankings: dict[str, np.ndarray]) -> None:
    """Table `qld`: by estimator and kind of item, in nats, with half a 95 % interval."""
    t, wrong = work.targets, min(work.wrong, REMOVAL_TARGETS)
    others = range(work.wrong, min(work.wrong + REMOVAL_TARGETS, len(t)))
    chosen = torch.tensor([*range(wrong), *others])
    here = chosen.to(t.features.device)
    found = query_loss_differences(
        work.recipe(1),
        Targets(t.features[here], t.labels[here], t.proba[here]),
        {name: ranking[chosen.numpy()] for name, ranking in rankings.items()},
        seed=work.options.seed,
        parts=work.kept("qld"),
        progress=work.tell("removal"),
        cancel=work.cancel,
    )
    lines = []
    for name, values in found.items():
        line = {"estimator": name, "removed": one_percent(len(work.session.evidence))}
        for kind, part in ((WRONG, values[:wrong]), (RANDOM, values[wrong:])):
            own = Interval.of(part)
            line |= {f"qld_{kind}": own.mean, f"half_{kind}": own.half}
        lines.append(line)
    work.tables["qld"] = pd.DataFrame(lines)
