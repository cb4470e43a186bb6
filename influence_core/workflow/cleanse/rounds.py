"""The verb `cleanse`: find rows that harm a target split, and drop them round by round.

`ranking` is one list from the run as it is. `cleanse` goes in rounds and retrains in between.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import torch

from influence_core.cleansing.harm import Harm, harm, local_measure
from influence_core.cleansing.rounds import Measured, Round, Schedule, cut_targets, rounds
from influence_core.disk.checkpoint import Parts
from influence_core.disk.fingerprint import of_parts
from influence_core.influence import DEFAULT_ESTIMATOR, estimator
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.sides import both_sides
from influence_core.progress import Progress, ProgressFn
from influence_core.training.features import Subset
from influence_core.training.heads.checkpoint import HeadCheckpoint, identity
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import Rows
from influence_core.workflow.cleanse.target_split import TargetItems, TargetSplit, target_items
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.cluster.scan import cluster_measure
from influence_core.workflow.evaluate.work import recipe
from influence_core.workflow.session import Session

Positions = npt.NDArray[np.int64]


def ranking(
    session: Session,
    target: TargetSplit,
    name: str = DEFAULT_ESTIMATOR,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    cluster: Cluster | None = None,
) -> Harm:
    """Harm of every training row by the run as it is: one shot; a cluster scans if there is one."""
    items = target_items(session, target)
    rows = len(session.evidence)
    if cluster is None:
        measure = local_measure(session.prepared(name), rows, progress=progress, cancel=cancel)
    else:
        measure = cluster_measure(cluster, session, name, progress=progress, cancel=cancel)
    proba = session.proba(items.features, target.split, items.positions).cpu().numpy()
    return harm(measure, session.targets(items.features, items.labels, proba))


def cleanse(
    session: Session,
    target: TargetSplit,
    plan: Schedule | None = None,
    name: str = DEFAULT_ESTIMATOR,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    unfinished: Parts | None = None,
) -> list[Round]:
    """Drop rows in rounds; every state is returned, so that a person can step back to any.

    Part of the target split chooses rows, the rest is held out and stops the rounds; with
    `patience=0` all of it does both, and the rounds go on to `plan.most`. With `unfinished` they go
    on after those that are kept there; the caller discards them when the result is kept.
    """
    plan = plan or Schedule()
    items = target_items(session, target)
    if plan.patience:
        choose, watch = cut_targets(len(items))
        parts = (items.some(choose), items.some(watch))
    else:
        parts = (items, items)
    count = len(session.evidence)
    steps = int(np.ceil(plan.most / plan.step))

    own = recipe(session)
    done = unfinished and unfinished.of(
        identity(own.rows, own.config, own.training, {"by": name, "plan": asdict(plan)}),
        target.split,
        of_positions(items.positions),
    )

    def measure(kept: Positions, number: int) -> Measured:
        out = _measured_once(
            done,
            f"round {number} {of_positions(kept)}",
            lambda under_way: measure_round(session, kept, parts, name, cancel, under_way),
        )
        if progress:
            figures = {
                "choosing_accuracy": out.choosing_accuracy,
                "watching_accuracy": out.watching_accuracy,
                "removed": float(count - len(kept)),
            }
            progress(Progress("round", number, steps, metrics=figures))
        return out

    return list(rounds(count, plan, measure))


def of_positions(positions: Positions) -> str:
    """sha256 of positions in their order."""
    return of_parts([positions.astype("<i8").tobytes()])


def _measured_once(
    done: Parts | None, name: str, measure: Callable[[HeadCheckpoint | None], Measured]
) -> Measured:
    """What a round has measured before, or measures now.

    What is measured alone decides the schedule, so rounds that are told again what they measured
    before drop the very rows that they dropped before.
    """
    if done is None:
        return measure(None)
    found = done.find(name)
    if found is not None:
        tensors, figures = found
        return Measured(tensors["harm"].numpy(), tensors["stderr"].numpy(), **figures)
    out = measure(HeadCheckpoint(done.under_way(name)))
    figures = {name: value for name, value in vars(out).items() if isinstance(value, float)}
    arrays = {"harm": torch.from_numpy(out.harm), "stderr": torch.from_numpy(out.stderr)}
    done.keep(name, arrays, figures)
    return out


def measure_round(
    session: Session,
    kept: Positions,
    parts: tuple[TargetItems, TargetItems],
    name: str,
    cancel: threading.Event | None,
    under_way: HeadCheckpoint | None = None,
) -> Measured:
    """Train the turn-over head on the kept rows and measure both parts of the target split."""
    evidence = session.evidence
    index = torch.from_numpy(kept).to(session.device)
    features = Subset(session.features, index)
    rows = Rows(features, evidence.labels[index], evidence.keys[index])
    own = recipe(session)
    config, training = own.config, own.training
    fit = fit_heads(rows, config, training, cancel=cancel, checkpoint=under_way)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    sides = both_sides(features, rows.labels, rows.keys, head, cancel=cancel)
    flipped = torch.from_numpy(sides.flipped).to(session.device)
    trained = replace(training, epochs=fit.epochs)
    proof = Evidence(features, rows.labels, rows.keys, flipped, head, trained)
    choose, watch = parts
    proba, watching = head.proba(choose.features), head.proba(watch.features)
    measure = local_measure(estimator(name).prepare(proof), len(kept), cancel=cancel)
    found = harm(measure, Targets(choose.features, choose.labels, proba))
    return Measured(
        found.score,
        found.stderr,
        _loss(proba, choose.labels),
        _loss(watching, watch.labels),
        _accuracy(proba, choose.labels),
        _accuracy(watching, watch.labels),
    )


def _loss(proba: torch.Tensor, labels: torch.Tensor) -> float:
    return float(-proba.gather(1, labels[:, None]).clamp_min(1e-12).log().mean())


def _accuracy(proba: torch.Tensor, labels: torch.Tensor) -> float:
    return float((proba.argmax(1) == labels).float().mean())
