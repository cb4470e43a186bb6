"""The verb `evaluate`: how far can the scores be believed on this very data?

Stages, each optional: `lds` (estimators against retrainings on random halves, with the noise
ceiling; settings and the default estimator are chosen here), `removal` (take the most helpful rows
away), `loo` (leave one out), `planted` (flip labels and find them), `null` (fresh keys through the
significance test) and `isolation` (the audit). Tables are stored with the run, what follows from
them with the project (`store.evaluations`). Finished retrainings are kept beside the run, so a
stopped evaluation goes on where it was.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.errors import DataError, ModelError
from influence_core.evaluation.choose import STRENGTHS, choose_strength, fit_blend
from influence_core.evaluation.lds import Array, Interval, lds, noise_ceiling, subset_sums
from influence_core.evaluation.loo import leave_one_out
from influence_core.evaluation.null_control import null_control
from influence_core.evaluation.planted import planted_noise
from influence_core.evaluation.removal import most_helpful, removal_curves
from influence_core.evaluation.retrain import Recipe, label_losses, random_halves, retrain
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Query, Settings, Targets
from influence_core.influence.combined import COMBINED, PARTS, score_size
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.store.evaluations import EvaluationRecord, read_evaluation, write_evaluation
from influence_core.training.heads import Rows
from influence_core.turnover.audit import audit
from influence_core.turnover.head import TurnoverHead
from influence_core.workflow.session import Session

STAGES = ("lds", "removal", "loo", "planted", "null", "isolation")
TUNED = ("flipped-ridge", "flipped-kernel")
CEILING = "ceiling"
WRONG, RANDOM = "misclassified", "random"
_LOO_ROWS = 10
_LOO_TARGETS = 3
_REMOVAL_TARGETS = 10


@dataclass(frozen=True)
class EvaluateOptions:
    """What to measure and how much of it.

    Attributes:
        what: stages to run, of `STAGES`.
        split: whose items are the targets; "" means test, else valid, else any other.
        targets: how many misclassified and how many random targets.
        subsets: retrainings on random halves; as many again give the noise ceiling.
        planted: share of labels flipped by the stage `planted`.
        seed: of targets, subsets and flips.
    """

    what: tuple[str, ...] = STAGES
    split: str = ""
    targets: int = 30
    subsets: int = 100
    planted: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.what if name not in STAGES]
        if unknown:
            raise ModelError(
                f"There is no evaluation '{unknown[0]}'; choose among {', '.join(STAGES)}."
            )
        if self.targets < 2 or self.subsets < 10:
            raise ModelError(
                f"{self.targets} targets and {self.subsets} subsets measure nothing; take at "
                "least 2 targets and 10 subsets."
            )


@dataclass(frozen=True)
class EvaluationReport:
    """What was measured: tables by stage (as stored with the run), and the project's record."""

    record: EvaluationRecord
    tables: Mapping[str, pd.DataFrame]


@dataclass
class _Work:
    """One call of `evaluate`: what every stage needs, and what they leave."""

    session: Session
    options: EvaluateOptions
    targets: Targets
    wrong: int  # the first so many targets are the misclassified ones
    keys: npt.NDArray[np.uint64]
    progress: ProgressFn | None
    cancel: threading.Event | None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    estimator: str = ""
    reason: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    lamps: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where finished retrainings are kept."""
        return self.session.run.folder / "retrainings"

    def recipe(self, number: int, members: int = 1) -> Recipe:
        """The run's own training with one member and a start and order of its own."""
        return recipe(self.session, number, members)

    def query(self, name: str, settings: Settings | None = None) -> Query:
        """An estimator with these settings, or with those chosen so far, on the targets."""
        own = self.settings.get(name, {}) if settings is None else settings
        return ESTIMATORS[name].prepare(self.session.evidence, own).query(self.targets)

    def tell(self, stage: str) -> ProgressFn:
        """Progress of a stage under its own name."""

        def told(event: Progress) -> None:
            if self.progress:
                self.progress(replace(event, stage=stage))

        return told


def recipe(session: Session, number: int = 0, members: int | None = None) -> Recipe:
    """How the run was trained, as a recipe for retraining; `number` 0 is the run's own seed."""
    head, training = session.head.config, session.training
    evidence = session.evidence
    return Recipe(
        Rows(evidence.features, evidence.labels, evidence.keys),
        replace(head, members=members or head.members, seed=head.seed + 1000 * number),
        replace(training, seed=training.seed + 1000 * number),
    )


def evaluate(
    session: Session,
    options: EvaluateOptions | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> EvaluationReport:
    """Measure, store the tables with the run and the conclusions with the project.

    Stages that are not run keep what an earlier evaluation of the same run found.

    Raises:
        DataError: no split has labelled items besides the training rows.
        CancelledError: `cancel` was set; finished retrainings are kept for the next time.
    """
    options = options or EvaluateOptions()
    targets, wrong, keys = _targets(session, options)
    work = _Work(session, options, targets, wrong, keys, progress, cancel)
    before = read_evaluation(session.project.root)
    if before is not None and before.run == session.run.id:
        work.estimator, work.reason = before.estimator, before.reason
        work.settings, work.figures = dict(before.settings), dict(before.figures)
        work.lamps = dict(before.lamps)
    for stage in STAGES:
        if stage in options.what:
            check_cancel(cancel)
            _STAGES[stage](work)
    for name, table in work.tables.items():
        session.run.add_table(f"eval-{name}", table)
    record = EvaluationRecord(
        run=session.run.id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        estimator=work.estimator,
        reason=work.reason,
        settings=work.settings,
        figures=work.figures,
        lamps=work.lamps,
    )
    write_evaluation(session.project.root, record)
    if work.estimator:
        session.project.with_settings(default_estimator=work.estimator)
    return EvaluationReport(record, work.tables)


def _targets(
    session: Session, options: EvaluateOptions
) -> tuple[Targets, int, npt.NDArray[np.uint64]]:
    """Misclassified targets first, then random ones; their number and all keys."""
    data = session.project.dataset
    order = [options.split] if options.split else ["test", "valid", *data.splits]
    name = next((n for n in order if n in data.splits and n != "train"), None)
    labelled = np.array([], dtype=np.int64)
    if name is not None:
        split = data.split(name)
        labelled = np.flatnonzero(np.asarray(split.labels) >= 0)
    if name is None or not len(labelled):
        raise DataError(
            f"There are no labelled items to evaluate on{f' in split {name!r}' if name else ''}; "
            "add a test or valid split with labels."
        )
    table = session.run.table(f"pred-{name}")
    missed = (table["predicted"] != table["label"]).to_numpy()
    rng = np.random.default_rng((options.seed, 0x7461))
    wrong = rng.permutation(labelled[missed[labelled]])[: options.targets]
    chosen = np.concatenate([wrong, rng.permutation(labelled)[: options.targets]])
    x = session.split_features(name).rows(torch.from_numpy(chosen))
    labels = torch.from_numpy(np.array(split.labels)[chosen])
    return session.targets(x, labels), len(wrong), np.asarray(split.keys)[chosen]


def _lds(work: _Work) -> None:
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
            keep=work.folder / f"{stage}.npy",
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
    work: _Work, weights: torch.Tensor, losses: npt.NDArray[np.float32]
) -> tuple[dict[str, Array], dict[str, float]]:
    """LDS per target of every estimator, cross-validated where something is chosen; and seconds."""
    found: dict[str, Array] = {}
    seconds: dict[str, float] = {}
    sums: dict[str, Array] = {}
    n = len(work.session.evidence)
    for name in PARTS:
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


def _per_target(work: _Work, found: Mapping[str, Array]) -> pd.DataFrame:
    kinds = [WRONG] * work.wrong + [RANDOM] * (len(work.keys) - work.wrong)
    return pd.concat(
        pd.DataFrame({"estimator": name, "key": work.keys, "kind": kinds, "lds": values})
        for name, values in found.items()
    )


def _summary(
    work: _Work, found: Mapping[str, Array], ceiling: Array, seconds: Mapping[str, float]
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


def _choose_default(work: _Work, found: Mapping[str, Array]) -> None:
    """The best mean over all targets; a blend of one part is that part under another name."""
    blend = work.settings[COMBINED.name]["weights"]
    named = {n: v for n, v in found.items() if n != COMBINED.name or len(blend) > 1}
    means = {name: Interval.of(values) for name, values in named.items()}
    ranked = sorted(means, key=lambda name: means[name].mean, reverse=True)
    best, second = ranked[0], ranked[1]
    work.estimator = best
    work.reason = f"LDS {means[best]}, next best {second} {means[second].mean:.2f}"
    work.figures["lds"] = means[best].mean


def _removal(work: _Work) -> None:
    some = _some(work, _REMOVAL_TARGETS)
    n = len(work.session.evidence)
    rankings = {}
    for name in PARTS:
        prepared = ESTIMATORS[name].prepare(work.session.evidence, work.settings.get(name, {}))
        rankings[name] = most_helpful(prepared.query(some), n, 160)
    points = removal_curves(
        work.recipe(1),
        some,
        rankings,
        keep=work.folder / "removal.npy",
        progress=work.tell("removal"),
        cancel=work.cancel,
    )
    work.tables["removal"] = pd.DataFrame(
        {"estimator": p.estimator, "removed": p.removed, "rise": p.rise.mean, "half": p.rise.half}
        for p in points
    )


def _loo(work: _Work) -> None:
    """The top helpful and harmful rows of a few targets, by the default estimator."""
    some = _some(work, _LOO_TARGETS)
    name = work.estimator or "flipped-ridge"
    n = len(work.session.evidence)
    prepared = ESTIMATORS[name].prepare(work.session.evidence, work.settings.get(name, {}))
    scores = prepared.query(some).scores(slice(0, n)).scores.cpu().numpy()
    order = scores.argsort(axis=1, kind="stable")
    ends = np.concatenate([order[:, : _LOO_ROWS // 2], order[:, -(_LOO_ROWS // 2) :]], axis=1)
    positions = np.unique(ends)
    members = work.session.head.config.members
    found = leave_one_out(
        work.recipe(0, members), some, positions, progress=work.tell("loo"), cancel=work.cancel
    )
    column = {int(p): i for i, p in enumerate(positions)}
    train = work.session.project.dataset.train
    work.tables["loo"] = pd.DataFrame(
        {
            "target": work.keys[t],
            "key": train.keys[p],
            "estimator": name,
            "score": scores[t, p],
            "measured": found.influence[t, column[int(p)]],
            "stderr": found.stderr[t, column[int(p)]],
        }
        for t in range(len(some))
        for p in ends[t]
    )


def _planted(work: _Work) -> None:
    members = work.session.head.config.members
    r = work.recipe(3, members)
    found = planted_noise(
        r.rows,
        r.config,
        replace(r.training, epochs=None),
        share=work.options.planted,
        seed=work.options.seed,
        progress=work.tell("planted"),
        cancel=work.cancel,
    )
    work.tables["planted"] = pd.DataFrame(
        {"column": name, "average_precision": q.average_precision, "auc": q.auc}
        for name, q in found.items()
    )


def _null(work: _Work) -> None:
    found = null_control(work.session.evidence, work.targets)
    work.figures |= {"null_false_alarms": found.false_alarms, "null_signal": found.signal}
    work.figures["null_calls"] = found.calls
    work.lamps["null"] = {
        "green": found.passed,
        "text": (
            f"{found.false_alarms:.0%} of {found.targets} targets gave a false alarm, "
            f"{found.allowed:.0%} are allowed."
        ),
    }


def _isolation(work: _Work) -> None:
    """The stored audit of the run, or one of its head on a few of its own rows."""
    stored = work.session.run.record.isolation
    if stored and "isolated" in stored:
        share = float(stored["isolated"])
    else:
        head, evidence = work.session.head, work.session.evidence
        model = TurnoverHead(head.config)
        model.load_state_dict({name: getattr(head, name).cpu() for name in ("W1", "b1", "W2")})
        rows = torch.arange(min(8, len(evidence)))
        batch = (evidence.features.rows(rows).cpu(), evidence.labels[rows].cpu())
        share = audit(model, batch, keys=evidence.keys[rows].cpu()).isolated
    work.figures["isolated"] = share
    work.lamps["isolation"] = {
        "green": share >= 1.0,
        "text": f"{share:.1%} of what a row's flipped side reads was never taught by the row.",
    }


def _some(work: _Work, count: int) -> Targets:
    """The first targets, misclassified ones first."""
    t = work.targets
    return Targets(t.features[:count], t.labels[:count], t.proba[:count])


_STAGES = {
    "lds": _lds,
    "removal": _removal,
    "loo": _loo,
    "planted": _planted,
    "null": _null,
    "isolation": _isolation,
}
