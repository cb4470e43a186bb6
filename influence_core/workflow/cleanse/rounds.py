"""The verb `cleanse`: find rows that harm a target split, drop them round by round, try it.

`ranking` is one list from the run as it is. `cleanse` goes in rounds and retrains in between.
`trial` retrains with and without the rows, beside two controls (nothing, and random rows of the
same classes), and measures the target split and the splits that chose nothing.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.cleansing.choose import Selection, random_control
from influence_core.cleansing.harm import Harm, harm, local_measure
from influence_core.cleansing.rounds import Measured, Plan, Round, cut_targets, rounds
from influence_core.cleansing.verdict import Difference, paired, verdict
from influence_core.disk.checkpoint import Parts
from influence_core.disk.fingerprint import of_parts
from influence_core.disk.records import Stored
from influence_core.errors import DataError
from influence_core.evaluation.retrain import retrain
from influence_core.influence import DEFAULT_ESTIMATOR, estimator
from influence_core.influence.base import Evidence, HeadWeights
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
NONE, CLEANSED, RANDOM = "nothing removed", "cleansed", "random removed"
RANDOM_DRAWS = 3


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
    proba = session.head.proba(items.features)
    return harm(measure, items.features, items.labels, proba, rows)


def cleanse(
    session: Session,
    target: TargetSplit,
    plan: Plan | None = None,
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
    plan = plan or Plan()
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
    proof = Evidence(features, rows.labels, rows.keys, flipped, head)
    choose, watch = parts
    proba, watching = head.proba(choose.features), head.proba(watch.features)
    measure = local_measure(estimator(name).prepare(proof), len(kept), cancel=cancel)
    found = harm(measure, choose.features, choose.labels, proba, len(kept))
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


def _frame(value: Any) -> pd.DataFrame:
    """A table from lists by column."""
    frame = pd.DataFrame(value)
    if not {NONE, CLEANSED, RANDOM} <= set(frame.get("arm", ())):
        raise ValueError("an arm is missing")
    return frame


Table = Annotated[pd.DataFrame, Stored(_frame, lambda frame: frame.to_dict("list"))]


@dataclass(frozen=True)
class Trial:
    """Results of retraining. `table`: one line an arm, split and seed, with accuracy and loss.

    `recall`: one line an arm, split and class. `verdicts` by split, in plain words, with the
    differences of the cleansed arm against nothing removed and against random rows.
    """

    table: Table
    recall: Table
    verdicts: dict[str, str]
    differences: dict[str, tuple[Difference, Difference]]


def trial(
    session: Session,
    change: Selection,
    splits: Sequence[str],
    *,
    seeds: int = 10,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    unfinished: Parts | None = None,
) -> Trial:
    """Retrain with and without the rows, from the same starts, masks and batch order.

    A seed is one head with a start and masks of its own; each arm trains all of them. The random
    arm is the mean over `RANDOM_DRAWS` draws of as many rows of the same classes. With `unfinished`
    it goes on after the arms that are kept there; the caller discards them when the result is kept.

    Raises:
        DataError: nothing is changed, or a split has no labelled item.
    """
    if not len(change):
        raise DataError("Nothing is removed or relabelled, so there is nothing to try.")
    weights, labels = _arms(session, change)
    rows = Rows(session.features, labels, session.evidence.keys, weights)
    # Members are the seeds; another mask seed than the run's, which chose the rows.
    own = recipe(session)
    config = replace(own.config, members=seeds, seed=own.config.seed + 1)
    items = {name: target_items(session, TargetSplit(name)) for name in splits}
    x = torch.cat([i.features for i in items.values()])
    parts = unfinished and unfinished.of(*items)
    seen = retrain(rows, config, own.training, x, parts=parts, progress=progress, cancel=cancel)
    tables, recalls, verdicts, differences = [], [], {}, {}
    start = 0
    for name, part in items.items():
        here = seen[:, :, start : start + len(part)]  # (G, S, T, C)
        start += len(part)
        truth = part.labels.cpu().numpy()
        table = _figures(name, here, truth)
        tables.append(table)
        recalls.append(_recalls(name, here, truth, session.classes))
        right = here.argmax(3) == truth  # (G, S, T)
        against = paired(right[1], right[0]), paired(right[1], right[2:])
        differences[name] = against
        verdicts[name] = verdict(*against, name)
    return Trial(pd.concat(tables), pd.concat(recalls), verdicts, differences)


def _arms(session: Session, change: Selection) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and labels (N, 2 + draws): nothing, cleansed, then the random controls."""
    given = session.evidence.labels.cpu()
    count = len(given)
    weights = torch.ones(count, 2 + RANDOM_DRAWS)
    labels = given[:, None].repeat(1, 2 + RANDOM_DRAWS)
    weights[torch.from_numpy(change.removed), 1] = 0
    for position, label in change.relabelled.items():
        labels[position, 1] = label
    for draw in range(RANDOM_DRAWS):
        control = random_control(given.numpy(), change, seed=draw)
        weights[torch.from_numpy(control), 2 + draw] = 0
    return weights, labels


def _figures(
    split: str, log_proba: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]
) -> pd.DataFrame:
    right = (log_proba.argmax(3) == truth).mean(2)  # (G, S)
    own = np.take_along_axis(log_proba, truth[None, None, :, None], axis=3)[..., 0]
    loss = -own.mean(2)
    arms = {
        NONE: (right[0], loss[0]),
        CLEANSED: (right[1], loss[1]),
        RANDOM: (right[2:].mean(0), loss[2:].mean(0)),
    }
    return pd.concat(
        pd.DataFrame(
            {
                "split": split,
                "arm": arm,
                "seed": np.arange(len(accuracy)),
                "accuracy": accuracy,
                "loss": losses,
            }
        )
        for arm, (accuracy, losses) in arms.items()
    )


def _recalls(
    split: str,
    log_proba: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
) -> pd.DataFrame:
    right = log_proba.argmax(3) == truth  # (G, S, T)
    arms = {NONE: right[0], CLEANSED: right[1], RANDOM: right[2:].mean(0)}
    return pd.DataFrame(
        [
            {"split": split, "arm": arm, "class": classes[c], "recall": hits[:, truth == c].mean()}
            for arm, hits in arms.items()
            for c in np.unique(truth)
        ]
    )
