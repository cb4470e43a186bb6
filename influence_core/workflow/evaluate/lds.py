"""The stage `lds`: what would *a model trained like this one* do, from any start?

Every estimator against retrainings on random halves. Settings (λ of the ridges, weights of the
blend) are chosen here; what is reported for them is measured on targets that the choice did not
see. `same` asks the other question, about *this model*.
"""

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.evaluation.choose import STRENGTHS, choose_strength, fit_blend
from influence_core.evaluation.lds import Array, Interval, lds, noise_ceiling, subset_sums
from influence_core.evaluation.retrain import label_losses, random_halves, retrain
from influence_core.influence import ESTIMATORS
from influence_core.influence.estimators.blend import COMBINED, TOGETHER, score_size
from influence_core.influence.estimators.replay import REPLAY
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.progress import Progress, check_cancel
from influence_core.workflow.evaluate.default import choose_default
from influence_core.workflow.evaluate.work import Work

TUNED = ("flipped-ridge", "flipped-kernel")
CEILING = "ceiling"
WRONG, RANDOM = "misclassified", "random"


def measure_lds(work: Work) -> None:
    """Retrain on halves twice, score every estimator, choose settings and the default."""
    n = len(work.session.evidence)
    weights = random_halves(n, work.options.subsets, work.options.seed)
    losses = []
    for number, stage in ((1, "halves"), (2, "ceiling")):
        r = work.recipe(number)
        seen = retrain(
            replace(r.rows, weights=weights),
            r.config,
            r.training,
            work.targets.features,
            parts=work.kept(stage),
            progress=work.tell(stage),
            cancel=work.cancel,
        )
        losses.append(label_losses(seen, work.targets.labels.cpu().numpy()))
    found, seconds = _score_estimators(work, weights, losses[0])
    ceiling = noise_ceiling(losses[0], losses[1])
    work.tables["lds"] = per_target(work, {**found, CEILING: ceiling})
    work.tables["estimators"] = _summary(work, found, ceiling, seconds)
    choose_default(work)


def _score_estimators(
    work: Work, weights: torch.Tensor, losses: npt.NDArray[np.float32]
) -> tuple[dict[str, Array], dict[str, float]]:
    """LDS per target of every estimator, cross-validated where something is chosen; and seconds."""
    found: dict[str, Array] = {}
    seconds: dict[str, float] = {}
    sums: dict[str, Array] = {}
    for name in work.parts:
        if work.progress:
            work.progress(Progress("score", len(found), len(ESTIMATORS), name))
        check_cancel(work.cancel)
        if name in TUNED:
            options = {
                s: lds(subset_sums(work.query(name, {"strength": s}), weights), losses)
                for s in STRENGTHS
            }
            choice = choose_strength(options)
            work.settings[name] = {"strength": choice.option}
        start = time.perf_counter()
        raw, sums[name] = subset_sums_of(work, name, weights)
        seconds[name] = time.perf_counter() - start
        found[name] = choice.lds if name in TUNED else lds(raw, losses)
    if REPLAY.name in sums:
        ridge = FLIPPED_RIDGE.name
        work.settings[TOGETHER.name] = {"parts": {ridge: work.settings[ridge]}}
        found[TOGETHER.name] = lds(both_sums(sums), losses)
        seconds[TOGETHER.name] = seconds[ridge] + seconds[REPLAY.name]
    blend = fit_blend(sums, losses)
    parts = {name: work.settings[name] for name in TUNED if name in blend.weights}
    work.settings[COMBINED.name] = {"weights": blend.weights, "parts": parts}
    alone = next(iter(blend.weights)) if len(blend.weights) == 1 else ""
    found[COMBINED.name] = found[alone] if alone else blend.lds
    seconds[COMBINED.name] = sum(seconds[name] for name in blend.weights)
    return found, seconds


def subset_sums_of(work: Work, name: str, weights: torch.Tensor) -> tuple[Array, Array]:
    """Sums (T, G) of an estimator over the subsets (N, G), and in units of its own size."""
    query = work.query(name)
    raw = subset_sums(query, weights)
    return raw, raw / score_size(query, len(weights)).cpu().double().numpy()


def both_sums(own: Mapping[str, Array]) -> Array:
    """Those of the ridge and replay together, from sums in units of their size."""
    return own[FLIPPED_RIDGE.name] + own[REPLAY.name]


def per_target(work: Work, found: Mapping[str, Array]) -> pd.DataFrame:
    """One line an estimator and target: `estimator`, `key`, `kind`, `lds`."""
    kinds = [WRONG] * work.wrong + [RANDOM] * (len(work.keys) - work.wrong)
    return pd.concat(
        pd.DataFrame({"estimator": name, "key": work.keys, "kind": kinds, "lds": values})
        for name, values in found.items()
    )


def interval_columns(work: Work, values: Array) -> dict[str, float]:
    """Means over both kinds of targets, each with half its 95 % interval."""
    wrong, random = Interval.of(values[: work.wrong]), Interval.of(values[work.wrong :])
    return {
        "lds_misclassified": wrong.mean,
        "half_misclassified": wrong.half,
        "lds_random": random.mean,
        "half_random": random.half,
    }


def _summary(
    work: Work, found: Mapping[str, Array], ceiling: Array, seconds: Mapping[str, float]
) -> pd.DataFrame:
    """One line an estimator, the ceiling last: LDS ± half a 95 % interval, seconds a target."""
    each = {**found, CEILING: ceiling}
    own = interval_columns(work, ceiling)
    work.figures |= {f"ceiling_{kind}": own[f"lds_{kind}"] for kind in (WRONG, RANDOM)}
    return pd.DataFrame(
        {
            "estimator": name,
            **interval_columns(work, values),
            "seconds_per_target": seconds.get(name, np.nan) / len(work.keys),
        }
        for name, values in each.items()
    )
