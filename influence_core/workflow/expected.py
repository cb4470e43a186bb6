"""Say before long work what it will cost: "This takes about 40 s and 1.2 GB on this device".

A verb measures the device's rates once (`device_rates`), but only where even a slow device would
need long; a page reads what is stored, since it must not make anyone wait. Work that takes a few
seconds needs no warning. Called by the verbs and by pages.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from influence_core.data.dataset import Split
from influence_core.evaluation.choose import STRENGTHS
from influence_core.evaluation.removal import SIZES
from influence_core.influence.estimators.blend import PARTS
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.store.project import Project
from influence_core.training.heads.presets import preset
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.cleanse.find_harm import DECISIONS, ROUNDS, Question
from influence_core.workflow.cleanse.rounds import RANDOM_DRAWS
from influence_core.workflow.cleanse.target_split import target_positions
from influence_core.workflow.costs.encoding import units
from influence_core.workflow.costs.formulas import (
    FREE_EPOCHS,
    Estimate,
    Rates,
    judging,
    scanning,
    training,
)
from influence_core.workflow.costs.networks import LONG, scan_estimate
from influence_core.workflow.costs.rates import (
    encode_rate,
    rates,
    stored_encode_rate,
    stored_rates,
)
from influence_core.workflow.evaluate.evaluate import LOO_ROWS, LOO_TARGETS, REMOVAL_TARGETS
from influence_core.workflow.evaluate.lds import TUNED
from influence_core.workflow.evaluate.work import EvaluateOptions, recipe
from influence_core.workflow.session import Session
from influence_core.workflow.train.head import TrainOptions, has_features

SLOW = Rates("slow", 3e-10, 1.5e-8, 3e-10, 5e-11, 1e-9, 1e-9)  # ten times what two usual cores need
FIRST = Estimate(1.5, 120 << 20)  # what a process needs when it first computes
_SLOW_UNIT = {"text": 5e-4, "image": 0.2}  # seconds a character or picture
_USUAL_DIM = 384  # before anything is encoded; that of the text encoder


@dataclass(frozen=True)
class Speed:
    """What is known of a device: its rates, and seconds a unit of a project's encoding."""

    rates: Rates
    encode: float = 0.0


def training_text(project: Project, options: TrainOptions, *, stored: bool = False) -> str | None:
    """What `train` will take with the encoding that is still to be done; None if it is short.

    Without a number of epochs a usual one is assumed, and the sentence says so.
    """
    encodes = bool(_to_encode(project))

    def work(speed: Speed) -> Estimate:
        return training_estimate(speed, project, options)

    said = _text(work, options.device, project if encodes else None, stored)
    if said and options.epochs is None:
        return said.removesuffix(".") + f", if it takes {FREE_EPOCHS} epochs."
    return said


def encoding_text(project: Project, device: str, *, stored: bool = False) -> str | None:
    """What `encode` will take for what is not encoded yet; None if it is short."""

    def work(speed: Speed) -> Estimate:
        return encoding_estimate(speed, project)

    return _text(work, device, project, stored)


def explanation_text(
    session: Session, estimator: str, scans: int = 1, *, stored: bool = False
) -> str | None:
    """What so many scans of all rows will take; None if it is short."""
    if session.evidence.head is None:
        if estimator != TURNOVER.name or estimator in session.unavailable():
            return None
        own = scan_estimate(session, stored=stored)
        return None if own is None else _said(own.times(scans))

    def work(speed: Speed) -> Estimate:
        one = scanning(speed.rates, estimator, len(session.evidence), _shape(session))
        return one.times(scans)

    return _text(work, str(session.device), stored=stored)


def cleansing_text(
    session: Session, question: Question, seeds: int = 0, *, stored: bool = False
) -> str | None:
    """What `cleanse` will take, with a trial of so many seeds; None if it is short."""
    # Decisions alone need no scan.
    items = 0 if question.by == DECISIONS else len(target_positions(session, question.target))

    def work(speed: Speed) -> Estimate:
        return cleansing_estimate(speed.rates, session, question, items).then(
            trial_estimate(speed.rates, session, seeds)
        )

    said = _text(work, str(session.device), stored=stored)
    if said and question.by == ROUNDS and question.patience:
        return said.removesuffix(".") + ", or less if the rounds stop early."
    return said


def trial_text(
    session: Session, seeds: int, shares: int = 1, *, stored: bool = False
) -> str | None:
    """What retraining beside controls will take, for so many shares of a list."""

    def work(speed: Speed) -> Estimate:
        return trial_estimate(speed.rates, session, seeds).times(shares)

    return _text(work, str(session.device), stored=stored)


def evaluation_text(
    session: Session, options: EvaluateOptions, *, stored: bool = False
) -> str | None:
    """What `evaluate` will take if nothing of it is done yet; None if it is short."""

    def work(speed: Speed) -> Estimate:
        return evaluation_estimate(speed.rates, session, options)

    return _text(work, str(session.device), stored=stored)


def training_estimate(speed: Speed, project: Project, options: TrainOptions) -> Estimate:
    """Encoding of what is not encoded, then training."""
    data = project.dataset
    config = HeadConfig(_dim(project), len(data.classes), options.members, options.width, options.p)
    how = preset(options.size).training(len(data.train), options.epochs, options.seed)
    encoding = encoding_estimate(speed, project)
    return encoding.then(training(speed.rates, len(data.train), config, how))


def encoding_estimate(speed: Speed, project: Project) -> Estimate:
    """Encoding of what is not encoded."""
    missing = _to_encode(project)
    # Batches of an encoder's activations and the block that is written.
    return Estimate(speed.encode * sum(map(units, missing)), (150 << 20) * bool(missing))


def cleansing_estimate(rates: Rates, session: Session, question: Question, items: int) -> Estimate:
    """The scan for the target split; in rounds, a training and a scan for each round."""
    rows, own = len(session.evidence), recipe(session)
    scan = judging(rates, question.estimator, rows, items, _shape(session))
    if question.by != ROUNDS:
        return scan
    count = math.ceil(question.drop / question.step) + 1
    return training(rates, rows, own.config, own.training).then(scan).times(count)


def trial_estimate(rates: Rates, session: Session, seeds: int) -> Estimate:
    """Two arms and the random ones, each a head of `seeds` members."""
    return _retraining(rates, session, (2 + RANDOM_DRAWS) * seeds)


def evaluation_estimate(rates: Rates, session: Session, options: EvaluateOptions) -> Estimate:
    """The stages' retrainings, and scans for both kinds of targets."""
    rows, own = len(session.evidence), recipe(session)
    what, members = options.what, own.config.members
    found = Estimate(0.0, 0)
    if "lds" in what:
        found = found.then(_retraining(rates, session, 2 * options.subsets))
        scans = len(PARTS) + len(TUNED) * len(STRENGTHS)
        targets = 2 * options.targets
        found = found.then(
            judging(rates, "flipped-ridge", rows, targets, own.config).times(scans)
        ).then(judging(rates, TURNOVER.name, rows, targets, own.config))
    if "removal" in what:
        curves = (len(PARTS) + 1) * len(SIZES)
        found = found.then(_retraining(rates, session, curves * REMOVAL_TARGETS + 1))
    if "loo" in what:
        found = found.then(_retraining(rates, session, (LOO_TARGETS * LOO_ROWS + 1) * members))
    if "planted" in what:
        free = replace(own.training, epochs=FREE_EPOCHS)
        found = found.then(training(rates, rows, own.config, free))
    return found


def _retraining(rates: Rates, session: Session, heads: int) -> Estimate:
    """So many heads of one member, for the run's epochs."""
    own = recipe(session, members=1)
    one = training(rates, len(session.evidence), own.config, own.training)
    return one.times(heads)


def _text(
    work: Callable[[Speed], Estimate],
    device: str,
    encodes: Project | None = None,
    stored: bool = False,
) -> str | None:
    """The sentence, or None where the work is short or nothing is known and nobody may measure."""
    modality = encodes.settings.modality if encodes is not None else "text"
    if work(Speed(SLOW, _SLOW_UNIT.get(modality, 0.2))).seconds < LONG:
        return None
    each: float | None = 0.0
    if stored:
        known = stored_rates(device)
        if encodes is not None:
            each = stored_encode_rate(encodes, device)
    else:
        known = rates(device)
        if encodes is not None:
            each = encode_rate(encodes, device)
    if known is None or each is None:
        return None
    return _said(in_fresh_process(work(Speed(known, each))))


def _said(estimate: Estimate) -> str | None:
    return f"This takes {estimate.text()}." if estimate.seconds >= LONG else None


def in_fresh_process(estimate: Estimate) -> Estimate:
    """With what the first use of libraries and compiled loops takes."""
    return Estimate(estimate.seconds + FIRST.seconds, estimate.bytes + FIRST.bytes)


def _shape(session: Session) -> HeadConfig:
    """The run's head, or the one that stands in for a whole network."""
    return recipe(session).config


def _to_encode(project: Project) -> list[Split]:
    known = project.settings.encoder_fingerprint
    splits = project.dataset.splits.items()
    return [split for name, split in splits if not (known and has_features(project, name))]


def _dim(project: Project) -> int:
    """Features of a row: as stored, else a usual number."""
    card = project.features_path("train").with_suffix(".json")
    if card.is_file():
        return int(json.loads(card.read_text("utf-8"))["dim"])
    return _USUAL_DIM
