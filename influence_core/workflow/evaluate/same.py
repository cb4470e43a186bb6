"""The stage `same`: what would *this very model* do without some rows?

The run is trained again with its own start, masks and batch order, all members, without a random
1 % or 10 % of the rows; the rank correlation of summed scores and minus the loss is the LDS of this
question. Nothing random is left, so its ceiling is 1. Beside them a few items lose the rows that
harmed them most, which tells how far the predicted change of a loss can be believed
(`evaluation.change`). In a few more all rows count a little more or less, which tells whether a
derivative of this training can be believed at all (`evaluation.smoothness`). A whole network is not
trained again, so of it nothing is asked here.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from influence_core.evaluation.change import predicted_change
from influence_core.evaluation.lds import Array, Interval, lds, subset_sums
from influence_core.evaluation.retrain import label_losses, retrain, without
from influence_core.evaluation.smoothness import ENOUGH, STEP, nudged, smoothness
from influence_core.influence.base import NatsQuery
from influence_core.influence.estimators.blend import COMBINED, TOGETHER
from influence_core.influence.estimators.replay import REPLAY, SLOPE
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.progress import Progress, check_cancel
from influence_core.store.evaluations import CheckResult
from influence_core.workflow.evaluate.changes import calibration_of, keep_changes
from influence_core.workflow.evaluate.default import choose_default
from influence_core.workflow.evaluate.lds import (
    both_sums,
    interval_columns,
    per_target,
    subset_sums_of,
)
from influence_core.workflow.evaluate.work import Work

DROPPED = (0.01, 0.1)  # shares of the rows
CHANGED = 12  # items that lose their most harmful rows
NUDGED = 12  # items, at most, of which the derivative is asked
HARMFUL = 20  # of them each, at most a tenth of all rows


def measure_same(work: Work) -> None:
    """Retrain this model without rows, score every estimator, and choose the default."""
    if work.session.evidence.head is None:
        return
    n, count = len(work.session.evidence), work.options.same
    harmful = _most_harmful(work)
    removed = [np.array([], dtype=np.int64), *harmful]
    rng = np.random.default_rng((work.options.seed, 0x73616D65))
    for share in DROPPED:
        size = max(1, round(share * n))
        removed += [rng.permutation(n)[:size] for _ in range(count)]
    weights = torch.cat([without(n, removed).float(), nudged(n, work.options.seed).float()], 1)
    r = work.recipe(0, None)
    seen = retrain(
        replace(r.rows, weights=weights),
        r.config,
        r.training,
        work.targets.features,
        parts=work.kept("same"),
        progress=work.tell("same"),
        cancel=work.cancel,
    )
    losses = label_losses(seen, work.targets.labels.cpu().numpy())  # (G, T)
    first, last = 1 + len(harmful), len(removed)
    _keep_lds(work, weights[:, first:last], losses[first:last])
    _keep_changes(work, harmful, losses[:first])
    _keep_smoothness(work, weights[:, last:], losses[last:])
    choose_default(work)


def _keep_lds(work: Work, weights: Tensor, losses: np.ndarray) -> None:
    """LDS of every estimator and share, by target and in the mean."""
    each, means = [], []
    own: dict[str, Array] = {}  # sums in units of each estimator's size, (T, G)
    for number, name in enumerate(work.parts):
        if work.progress:
            work.progress(Progress("score", number, len(work.parts), name))
        check_cancel(work.cancel)
        own[name] = subset_sums_of(work, name, weights)[1]
    own[TOGETHER.name] = both_sums(own)
    blend = work.settings.get(COMBINED.name, {}).get("weights") or {FLIPPED_RIDGE.name: 1.0}
    own[COMBINED.name] = sum((w * own[name] for name, w in blend.items()), np.zeros(1))
    for name, sums in own.items():
        parts = np.split(np.arange(len(losses)), len(DROPPED))
        for share, part in zip(DROPPED, parts, strict=True):
            found = lds(sums[:, part], losses[part])
            each.append(per_target(work, {name: found}).assign(dropped=share))
            means.append({"estimator": name, "dropped": share, **interval_columns(work, found)})
    work.tables["same"] = pd.concat(each)
    work.tables["same-estimators"] = pd.DataFrame(means)


def _most_harmful(work: Work) -> list[np.ndarray]:
    """Rows that harmed each of the first items most."""
    n = len(work.session.evidence)
    scores = work.query(REPLAY.name).scores(slice(0, n)).scores[:CHANGED]
    return list(scores.topk(min(HARMFUL, max(1, n // 10)), largest=False).indices.cpu().numpy())


def _keep_changes(work: Work, harmful: list[np.ndarray], losses: np.ndarray) -> None:
    """Predicted beside actual changes of the loss, with the run."""
    head, query = work.session.evidence.head, work.query(REPLAY.name)
    if head is None or not isinstance(query, NatsQuery):
        return
    log_proba = head.logits(work.targets.features).log_softmax(-1)  # (E, T, C)
    lines = []
    for t, rows in enumerate(harmful):
        own = query.by_member(torch.from_numpy(rows))
        if own is None:
            return
        now = log_proba[:, t, work.targets.labels[t]].cpu().numpy()
        change = predicted_change(now, own[t].sum(1).cpu().numpy())
        actual = float(losses[1 + t, t] - losses[0, t])
        line = {"key": work.keys[t], "label": int(work.targets.labels[t]), "side": "harmful"}
        lines.append({**line, "removed": len(rows), "predicted": change.rise, "actual": actual})
    work.tables["changes"] = pd.DataFrame(lines)
    keep_changes(work.session.run, work.tables["changes"])
    found = calibration_of(work.session.run)
    if found.count:
        work.figures |= {"change_slope": found.slope, "change_error": found.error}


def _keep_smoothness(work: Work, weights: Tensor, losses: np.ndarray) -> None:
    """The check whether the derivative that replay rests on tells what small changes do."""
    some = slice(None, None, -(-len(work.targets) // NUDGED))
    prepared = REPLAY.prepare(work.session.evidence, {SLOPE: True})
    told = -subset_sums(prepared.query(work.targets[some]), weights)
    mean = Interval.of(smoothness(told, losses.T[some]))
    if not mean.count:  # the run has learned nothing, so no loss moves
        work.checks.pop("smoothness", None)
        return
    work.figures["smoothness"] = mean.mean
    work.checks["smoothness"] = CheckResult(
        mean.mean >= ENOUGH,
        f"When each row counts {100 * STEP:.0f} % more or less, losses of this model move as "
        f"replay says with a correlation of {mean.mean:.2f}; 1 is perfect, and from {ENOUGH} "
        "on replay and what it predicts can be relied on.",
    )
