"""What the stages of an evaluation share: the run, the targets, and what they leave behind."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.disk.checkpoint import Parts
from influence_core.errors import DataError, ModelError
from influence_core.evaluation.retrain import Recipe
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import LongQuery, Query, Settings, Targets
from influence_core.influence.estimators.blend import PARTS, TOGETHER, together
from influence_core.influence.estimators.replay import REPLAY
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.progress import Progress, ProgressFn
from influence_core.store.evaluations import CheckResult
from influence_core.training.heads.types import Rows
from influence_core.workflow.evaluate.stand_in import stand_in
from influence_core.workflow.other_splits import need_labelled_splits
from influence_core.workflow.session import Session
from influence_core.workflow.train.resume import parts_at

STAGES = ("lds", "same", "removal", "loo", "planted", "null", "isolation")


@dataclass(frozen=True)
class EvaluateOptions:
    """What to measure and how much of it.

    Attributes:
        what: stages to run, of `STAGES`.
        split: whose items are the targets; "" means test, else valid, else any other.
        targets: how many misclassified and how many random targets.
        subsets: retrainings on random halves; as many again give the noise ceiling.
        same: retrainings of this very model for each share of rows dropped.
        planted: share of labels flipped by the stage `planted`.
        seed: of targets, subsets and flips.
    """

    what: tuple[str, ...] = STAGES
    split: str = ""
    targets: int = 30
    subsets: int = 100
    same: int = 16
    planted: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.what if name not in STAGES]
        if unknown:
            raise ModelError(
                f"There is no evaluation '{unknown[0]}'; choose among {', '.join(STAGES)}."
            )
        if self.targets < 2 or self.subsets < 10 or self.same < 4:
            raise ModelError(
                f"{self.targets} targets, {self.subsets} subsets and {self.same} retrainings of "
                "this model measure nothing; take at least 2 targets, 10 subsets and 4 retrainings."
            )


@dataclass
class Work:
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
    checks: dict[str, CheckResult] = field(default_factory=dict)
    _passes: dict[str, Query] = field(
        default_factory=dict
    )  # queries that went through the training

    @property
    def folder(self) -> Path:
        """Where finished retrainings are kept."""
        return self.session.run.folder / "retrainings"

    def kept(self, stage: str) -> Parts:
        """Finished retrainings of a stage; they stay, so that nothing is retrained twice."""
        return parts_at(self.folder / stage, self.session)

    @property
    def parts(self) -> list[str]:
        """Single estimators that this run can serve: a whole network has no head to read."""
        headless = self.session.evidence.head is None
        return [name for name, e in PARTS.items() if not (headless and e.needs_head)]

    def recipe(self, number: int, members: int | None = 1) -> Recipe:
        """The run's own training with one member (None: all) and a start and order of its own."""
        return recipe(self.session, number, members)

    def query(self, name: str, settings: Settings | None = None) -> Query:
        """An estimator with these settings, or with those chosen so far, on the targets.

        A pass through the training is made once, and told.
        """
        own = self.settings.get(name, {}) if settings is None else settings
        passed = name == REPLAY.name and settings is None
        if passed and name in self._passes:
            return self._passes[name]
        if name == TOGETHER.name:
            ridge, replay = self.query(FLIPPED_RIDGE.name), self.query(REPLAY.name)
            return together(ridge, replay, len(self.session.evidence))
        query = ESTIMATORS[name].prepare(self.session.evidence, own).query(self.targets)
        if passed and isinstance(query, LongQuery):
            query.run(self.progress, self.cancel)
            self._passes[name] = query
        return query

    def tell(self, stage: str) -> ProgressFn:
        """Progress of a stage under its own name."""

        def told(event: Progress) -> None:
            if self.progress:
                self.progress(replace(event, stage=stage))

        return told


def recipe(session: Session, number: int = 0, members: int | None = None) -> Recipe:
    """How the run was trained, as a recipe for retraining; `number` 0 is the run's own seed.

    For a whole network it is the recipe of a head on its features (`stand_in`).
    """
    evidence = session.evidence
    if evidence.head is None:
        head, training = stand_in(session)
    else:
        head, training = evidence.head.config, session.training
    return Recipe(
        Rows(evidence.features, evidence.labels, evidence.keys),
        replace(head, members=members or head.members, seed=head.seed + 1000 * number),
        replace(training, seed=training.seed + 1000 * number),
    )


def choose_targets(
    session: Session, options: EvaluateOptions
) -> tuple[Targets, int, npt.NDArray[np.uint64]]:
    """Misclassified targets first, then random ones; their number and all keys."""
    data = session.project.dataset
    others = need_labelled_splits(session.project, "An evaluation")
    name = options.split or next(n for n in ("test", "valid", *others) if n in others)
    if name not in others:
        why = "was learned by the model" if name == "train" else "has no labelled items"
        raise DataError(f"Split '{name}' {why}; evaluate on one of {', '.join(others)}.")
    split = data.split(name)
    labelled = np.flatnonzero(np.asarray(split.labels) >= 0)
    table = session.run.table(f"pred-{name}")
    missed = (table["predicted"] != table["label"]).to_numpy()
    rng = np.random.default_rng((options.seed, 0x7461))
    wrong = rng.permutation(labelled[missed[labelled]])[: options.targets]
    chosen = np.concatenate([wrong, rng.permutation(labelled)[: options.targets]])
    x = session.split_features(name).rows(torch.from_numpy(chosen))
    labels = torch.from_numpy(np.array(split.labels)[chosen])
    proba = session.proba(x, name, chosen).cpu().numpy()
    return session.targets(x, labels, proba), len(wrong), np.asarray(split.keys)[chosen]


def some_targets(work: Work, count: int) -> Targets:
    """The first targets, misclassified ones first."""
    t = work.targets
    return Targets(t.features[:count], t.labels[:count], t.proba[:count])
