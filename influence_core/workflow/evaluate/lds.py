"""The stage `lds`: every estimator against retrainings on random halves, and what follows.

Settings (λ of the ridges, weights of the blend) and the project's default estimator are chosen
here; what is reported for them is measured on targets that the choice did not see.
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
from influence_core.influence.estimators.blend import COMBINED, score_size
from influence_core.progress import Progress, check_cancel
from influence_core.workflow.evaluate.stand_in import SENTENCE
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
    work.tables["lds"] = _per_target(work, {**found, CEILING: ceiling})
    work.tables["estimators"] = _summary(work, found, ceiling, seconds)
    _choose_default(work, found)


def _score_estimators(
    work: Work, weights: torch.Tensor, losses: npt.NDArray[np.float32]
) -> tuple[dict[str, Array], dict[str, float]]:
    """LDS per target of every estimator, cross-validated where something is chosen; and seconds."""
    found: dict[str, Array] = {}
    seconds: dict[str, float] = {}
    sums: dict[str, Array] = {}
    n = len(work.session.evidence)
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
        query = work.query(name)
        raw = subset_sums(query, weights)
        seconds[name] = time.perf_counter() - start
        sums[name] = raw / score_size(query, n).double().cpu().numpy()
        found[name] = choice.lds if name in TUNED else lds(raw, losses)
    blend = fit_blend(sums, losses)
    parts = {name: work.settings[name] for name in TUNED if name in blend.weights}
    work.settings[COMBINED.name] = {"weights": blend.weights, "parts": parts}
    alone = next(iter(blend.weights)) if len(blend.weights) == 1 else ""
    found[COMBINED.name] = found[alone] if alone else blend.lds
    seconds[COMBINED.name] = sum(seconds[name] for name in blend.weights)
    return found, seconds


def _per_target(work: Work, found: Mapping[str, Array]) -> pd.DataFrame:
    kinds = [WRONG] * work.wrong + [RANDOM] * (len(work.keys) - work.wrong)
    return pd.concat(
        pd.DataFrame({"estimator": name, "key": work.keys, "kind": kinds, "lds": values})
        for name, values in found.items()
    )


def _summary(
    work: Work, found: Mapping[str, Array], ceiling: Array, seconds: Mapping[str, float]
) -> pd.DataFrame:
    """One line an estimator, the ceiling last: LDS ± half a 95 % interval, seconds a target."""
    lines = []
    for name, values in {**found, CEILING: ceiling}.items():
        wrong, random = Interval.of(values[: work.wrong]), Interval.of(values[work.wrong :])
        lines.append(
            {
                "estimator": name,
                "lds_misclassified": wrong.mean,
                "half_misclassified": wrong.half,
                "lds_random": random.mean,
                "half_random": random.half,
                "seconds_per_target": seconds.get(name, np.nan) / len(work.keys),
            }
        )
        if name == CEILING:
            work.figures |= {"ceiling_misclassified": wrong.mean, "ceiling_random": random.mean}
    return pd.DataFrame(lines)


def _choose_default(work: Work, found: Mapping[str, Array]) -> None:
    """The best mean over all targets; a blend of one part is that part under another name."""
    blend = work.settings[COMBINED.name]["weights"]
    named = {n: v for n, v in found.items() if n != COMBINED.name or len(blend) > 1}
    means = {name: Interval.of(values) for name, values in named.items()}
    # One that was constant on all targets has no correlation, and is no choice.
    ranked = sorted(means, key=lambda name: np.nan_to_num(means[name].mean, nan=-2), reverse=True)
    best, second = ranked[0], ranked[1]
    work.estimator = best
    work.reason = f"LDS {means[best]}, next best {second} {means[second]}"
    if work.session.evidence.head is None:
        work.reason += f". {SENTENCE}"
    work.figures["lds"] = means[best].mean
