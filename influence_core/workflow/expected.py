"""Say before long work what it will cost: "This takes about 40 s and 1.2 GB on this device".

A verb measures the device's rates once (`costs.rates`), but only where even a slow device would
need long; a page reads what is stored (`stored=True`), since it must not make anyone wait. Work of
a few seconds needs no sentence. Called by the verbs that train and by the pages that start them.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from influence_core.data.dataset import Split
from influence_core.evaluation.choose import STRENGTHS
from influence_core.evaluation.removal import DRAWS, SIZES
from influence_core.evaluation.smoothness import DIRECTIONS
from influence_core.influence.estimators.blend import PARTS
from influence_core.influence.estimators.replay import GROUPS
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.store.project import Project
from influence_core.training.heads.presets import preset
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.cleanse.find_harm import DECISIONS, ROUNDS, CleanseOptions
from influence_core.workflow.cleanse.target_split import target_positions
from influence_core.workflow.costs.estimate import (
    FREE_EPOCHS,
    LONG,
    Estimate,
    Rates,
    duration,
    replaying,
    scanning,
    training,
)
from influence_core.workflow.costs.rates import encode_rate, head_rates, known_encode_rate
from influence_core.workflow.costs.work import encode_work
from influence_core.workflow.evaluate.arms import RANDOM_DRAWS
from influence_core.workflow.evaluate.evaluate import LOO_ROWS, LOO_TARGETS
from influence_core.workflow.evaluate.lds import TUNED
from influence_core.workflow.evaluate.removal import REMOVAL_TARGETS
from influence_core.workflow.evaluate.same import CHANGED, DROPPED
from influence_core.workflow.evaluate.work import EvaluateOptions, recipe
from influence_core.workflow.projects.preview import Inspection
from influence_core.workflow.session import Session
from influence_core.workflow.train.head import TrainOptions, has_features

# What two usual cores need, and ten times that. Seconds a character or a picture follow below.
TIMES_SLOWER = 10
SLOW = Rates(3e-10, 1.5e-8, 5e-11, 1e-9)
USUAL = Rates(3e-11, 1.5e-9, 5e-12, 1e-10)
START = 12.0  # seconds of a job that are no work on rows: libraries, the encoder, writing
SLOW_ENCODE = {"text": 5e-4, "image": 0.2}
FIRST = Estimate(1.5, 120 << 20)  # what a process needs when it first computes
_USUAL_DIM = 384  # before anything is encoded; that of the text encoder


def training_text(project: Project, options: TrainOptions, *, stored: bool = False) -> str | None:
    """What `train` will take with the encoding that is still to be done; None if it is short.

    Without a number of epochs a usual one is assumed, and the sentence says so.
    """
    encodes = project if _to_encode(project) else None
    more = f", if it takes {FREE_EPOCHS} epochs" if options.epochs is None else ""

    def work(rates: Rates) -> Estimate:
        return training_estimate(rates, project, options)

    return _text(work, options.device, stored, more, encodes)


@dataclass(frozen=True)
class Expected:
    """How long the whole of a training should take.

    Attributes:
        seconds: from the click to the result.
        measured: whether the rates are this device's; if not, those of two usual cores.
    """

    seconds: float
    measured: bool

    @property
    def short(self) -> str:
        """ "about 40 s"."""
        return f"about {duration(max(5.0, 5.0 * round(self.seconds / 5)))}"

    @property
    def source(self) -> str:
        """Where the figure comes from, in a sentence."""
        if self.measured:
            return "The time is told by what was measured on this machine."
        return "The time is a guess for two usual cores: this machine was not measured yet."


@dataclass(frozen=True)
class Shape:
    """How much there is to train on: rows, classes, and features of a row."""

    rows: int
    classes: int
    dim: int


def shape_of(project: Project) -> Shape:
    """That of a project's training rows."""
    data = project.dataset
    return Shape(len(data.train), len(data.classes), _dim(project))


def shape_found(found: Inspection) -> Shape:
    """That of data which is no project yet; how many features its rows will have is not known."""
    return Shape(max(2, found.rows.get("train", 0)), max(2, len(found.balance)), _USUAL_DIM)


def training_time(project: Project, options: TrainOptions) -> Expected:
    """What `train` will take; what was never measured is that of two usual cores."""
    missing = _to_encode(project)
    encoder = project.settings.encoder if missing else None
    rates, measured = _known_rates(encoder, project.settings.modality, options.device)
    return Expected(training_estimate(rates, project, options).seconds + START, measured)


def making_time(found: Inspection, encoder: str | None, options: TrainOptions | None) -> Expected:
    """What making a project of such data will take.

    Args:
        encoder: None if none runs. options: of the training; None if nothing is trained.
    """
    device = "auto" if options is None else options.device
    rates, measured = _known_rates(encoder, found.modality, device)
    work = found.work if encoder else 0.0
    if options is None:
        return Expected(rates.encode * work + START, measured)
    seconds = _head(rates, shape_found(found), work, options).seconds
    return Expected(seconds + START, measured)


def following_evaluation(shape: Shape, options: TrainOptions) -> Expected:
    """What `evaluate` as it is usual will take after such a training."""
    rates, measured = _known_rates(None, "text", options.device)
    config, how = _head_config(shape, options), _head_training(shape, options)
    found = _evaluation(rates, shape.rows, config, how, EvaluateOptions())
    return Expected(found.seconds + START, measured)


def _known_rates(encoder: str | None, modality: str, device: str) -> tuple[Rates, bool]:
    rates = head_rates(device, stored=True)
    encode = known_encode_rate(encoder, device) if encoder else 0.0
    measured = rates is not None and encode is not None
    usual = SLOW_ENCODE[modality] / TIMES_SLOWER if encoder else 0.0
    return replace(rates or USUAL, encode=usual if encode is None else encode), measured


def cleansing_text(
    session: Session, question: CleanseOptions, seeds: int = 0, *, stored: bool = False
) -> str | None:
    """What `cleanse` will take, with a trial of so many seeds; None if it is short."""
    # Decisions alone need no scan.
    items = 0 if question.by == DECISIONS else len(target_positions(session, question.target))
    early = question.by == ROUNDS and question.patience

    def work(rates: Rates) -> Estimate:
        found = cleansing_estimate(rates, session, question, items)
        return found.then(trial_estimate(rates, session, seeds))

    more = ", or less if the rounds stop early" if early else ""
    return _text(work, str(session.device), stored, more)


def trial_text(
    session: Session, seeds: int, shares: int = 1, *, stored: bool = False
) -> str | None:
    """What retraining beside controls will take, for so many shares of a list."""
    return _text(
        lambda rates: trial_estimate(rates, session, seeds).times(shares),
        str(session.device), stored,
    )  # fmt: skip


def evaluation_text(
    session: Session, options: EvaluateOptions, *, stored: bool = False
) -> str | None:
    """What `evaluate` will take if nothing of it is done yet; None if it is short."""
    return _text(
        lambda rates: evaluation_estimate(rates, session, options), str(session.device), stored
    )


def training_estimate(rates: Rates, project: Project, options: TrainOptions) -> Estimate:
    """Encoding of what is not encoded, then training."""
    work = sum(map(encode_work, _to_encode(project)))
    return _head(rates, shape_of(project), work, options)


def _head(rates: Rates, shape: Shape, work: float, options: TrainOptions) -> Estimate:
    """`work` is what is still to be encoded."""
    config, how = _head_config(shape, options), _head_training(shape, options)
    # Batches of an encoder's activations and the block that is written.
    encoding = Estimate(rates.encode * work, (150 << 20) * bool(work))
    return encoding.then(training(rates, shape.rows, config, how))


def _head_config(shape: Shape, options: TrainOptions) -> HeadConfig:
    return HeadConfig(shape.dim, shape.classes, options.members, options.width, options.p)


def _head_training(shape: Shape, options: TrainOptions) -> HeadTraining:
    return preset(options.size).training(shape.rows, options.epochs, options.seed)


def cleansing_estimate(
    rates: Rates, session: Session, question: CleanseOptions, items: int
) -> Estimate:
    """The scan for the target split; in rounds, a training and a scan for each round."""
    rows, own = len(session.evidence), recipe(session)
    if question.by != DECISIONS and session.takes_a_pass(question.estimator):
        scan = replaying(rates, rows, min(items, GROUPS), own.config, own.training)
    else:
        scan = scanning(rates, question.estimator, rows, items, own.config)
    if question.by != ROUNDS:
        return scan
    count = math.ceil(question.drop / question.step) + 1
    return training(rates, rows, own.config, own.training).then(scan).times(count)


def trial_estimate(rates: Rates, session: Session, seeds: int) -> Estimate:
    """Two arms and the random ones, each a head of `seeds` members."""
    own = recipe(session)
    heads = (2 + RANDOM_DRAWS) * seeds
    return _retraining(rates, len(session.evidence), own.config, own.training, heads)


def evaluation_estimate(rates: Rates, session: Session, options: EvaluateOptions) -> Estimate:
    """The stages' retrainings, and scans for both kinds of targets."""
    own, head = recipe(session), session.evidence.head is not None
    return _evaluation(rates, len(session.evidence), own.config, own.training, options, head)


def _evaluation(
    rates: Rates,
    rows: int,
    config: HeadConfig,
    how: HeadTraining,
    options: EvaluateOptions,
    head: bool = True,
) -> Estimate:
    """Of a run so trained; `head` is False for a whole network, whose head stands in."""
    found, targets = Estimate(), 2 * options.targets
    if head and {"lds", "same", "removal"} & set(options.what):  # once for all of them
        found = replaying(rates, rows, targets, config, how)
    if "same" in options.what and head:
        count = 1 + min(CHANGED, targets) + len(DROPPED) * options.same + DIRECTIONS
        found = found.then(training(rates, rows, config, how).times(count))
    if "lds" in options.what:
        scans = len(PARTS) - 1 + len(TUNED) * len(STRENGTHS)
        ridge = scanning(rates, "flipped-ridge", rows, targets, config).times(scans)
        found = found.then(_retraining(rates, rows, config, how, 2 * options.subsets)).then(ridge)
        found = found.then(scanning(rates, TURNOVER.name, rows, targets, config))
    if "removal" in options.what:
        curves = (len(PARTS) + 1) * len(SIZES) * REMOVAL_TARGETS
        differences = (len(PARTS) + 1) * 2 * REMOVAL_TARGETS + DRAWS
        found = found.then(_retraining(rates, rows, config, how, curves + differences + 2))
    if "loo" in options.what:
        heads = (LOO_TARGETS * LOO_ROWS + 1) * config.members
        found = found.then(_retraining(rates, rows, config, how, heads))
    if "planted" in options.what:
        found = found.then(training(rates, rows, config, replace(how, epochs=FREE_EPOCHS)))
    return found


def _retraining(
    rates: Rates, rows: int, config: HeadConfig, how: HeadTraining, heads: int
) -> Estimate:
    """So many heads of one member, for the run's epochs."""
    return training(rates, rows, replace(config, members=1), how).times(heads)


def _text(
    work: Callable[[Rates], Estimate],
    device: str,
    stored: bool,
    more: str = "",
    encodes: Project | None = None,
) -> str | None:
    """The sentence, or None where the work is short or a rate is unknown and may not be measured.

    `encodes` is the project whose rows are still to be encoded.
    """
    slow = SLOW_ENCODE[encodes.settings.modality] if encodes is not None else 0.0
    if work(replace(SLOW, encode=slow)).seconds < LONG:
        return None
    rates = head_rates(device, stored=stored)
    encode = encode_rate(encodes, device, stored=stored) if encodes is not None else 0.0
    if rates is None or encode is None:
        return None
    return in_fresh_process(work(replace(rates, encode=encode))).sentence(more)


def in_fresh_process(estimate: Estimate) -> Estimate:
    """With what the first use of libraries and compiled loops takes."""
    return Estimate(estimate.seconds + FIRST.seconds, estimate.bytes + FIRST.bytes)


def _to_encode(project: Project) -> list[Split]:
    splits = project.dataset.splits.items()
    return [split for name, split in splits if not has_features(project, name)]


def _dim(project: Project) -> int:
    """Features of a row: as stored, else a usual number."""
    card = project.features_path("train").with_suffix(".json")
    if card.is_file():
        return int(json.loads(card.read_text("utf-8"))["dim"])
    return _USUAL_DIM
