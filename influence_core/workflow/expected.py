"""Say before long work what it will cost: "This takes about 40 s and 1.2 GB on this device".

A verb measures the device's rates once (`costs.rates`), but only where even a slow device would
need long; a page reads what is stored (`stored=True`), since it must not make anyone wait. Work of
a few seconds needs no sentence. Called by the verbs that train and by the pages that start them.
"""

import json
import math
from collections.abc import Callable
from dataclasses import replace

from influence_core.data.dataset import Split
from influence_core.evaluation.choose import STRENGTHS
from influence_core.evaluation.removal import DRAWS, SIZES
from influence_core.evaluation.smoothness import DIRECTIONS
from influence_core.influence.estimators.blend import PARTS
from influence_core.influence.estimators.replay import GROUPS
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.store.project import Project
from influence_core.training.heads.presets import preset
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.cleanse.find_harm import DECISIONS, ROUNDS, CleanseOptions
from influence_core.workflow.cleanse.target_split import target_positions
from influence_core.workflow.cleanse.trial import RANDOM_DRAWS
from influence_core.workflow.costs.estimate import (
    FREE_EPOCHS,
    LONG,
    Estimate,
    Rates,
    replaying,
    scanning,
    training,
)
from influence_core.workflow.costs.rates import encode_rate, encode_work, head_rates
from influence_core.workflow.evaluate.evaluate import LOO_ROWS, LOO_TARGETS
from influence_core.workflow.evaluate.lds import TUNED
from influence_core.workflow.evaluate.removal import REMOVAL_TARGETS
from influence_core.workflow.evaluate.same import CHANGED, DROPPED
from influence_core.workflow.evaluate.work import EvaluateOptions, recipe
from influence_core.workflow.session import Session
from influence_core.workflow.train.head import TrainOptions, has_features

# Ten times what two usual cores need. Seconds a character or a picture follow below.
SLOW = Rates(3e-10, 1.5e-8, 5e-11, 1e-9)
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
    data, missing = project.dataset, _to_encode(project)
    config = HeadConfig(_dim(project), len(data.classes), options.members, options.width, options.p)
    how = preset(options.size).training(len(data.train), options.epochs, options.seed)
    # Batches of an encoder's activations and the block that is written.
    seconds = rates.encode * sum(map(encode_work, missing))
    encoding = Estimate(seconds, (150 << 20) * bool(missing))
    return encoding.then(training(rates, len(data.train), config, how))


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
    return _retraining(rates, session, (2 + RANDOM_DRAWS) * seeds)


def evaluation_estimate(rates: Rates, session: Session, options: EvaluateOptions) -> Estimate:
    """The stages' retrainings, and scans for both kinds of targets."""
    rows, own = len(session.evidence), recipe(session)
    found, targets = Estimate(), 2 * options.targets
    head = session.evidence.head is not None
    if head and {"lds", "same", "removal"} & set(options.what):  # once for all of them
        found = replaying(rates, rows, targets, own.config, own.training)
    if "same" in options.what and head:
        count = 1 + min(CHANGED, targets) + len(DROPPED) * options.same + DIRECTIONS
        found = found.then(training(rates, rows, own.config, own.training).times(count))
    if "lds" in options.what:
        scans = len(PARTS) - 1 + len(TUNED) * len(STRENGTHS)
        ridge = scanning(rates, "flipped-ridge", rows, targets, own.config).times(scans)
        found = found.then(_retraining(rates, session, 2 * options.subsets)).then(ridge)
        found = found.then(scanning(rates, TURNOVER.name, rows, targets, own.config))
    if "removal" in options.what:
        curves = (len(PARTS) + 1) * len(SIZES) * REMOVAL_TARGETS
        differences = (len(PARTS) + 1) * 2 * REMOVAL_TARGETS + DRAWS
        found = found.then(_retraining(rates, session, curves + differences + 2))
    if "loo" in options.what:
        heads = (LOO_TARGETS * LOO_ROWS + 1) * own.config.members
        found = found.then(_retraining(rates, session, heads))
    if "planted" in options.what:
        free = replace(own.training, epochs=FREE_EPOCHS)
        found = found.then(training(rates, rows, own.config, free))
    return found


def _retraining(rates: Rates, session: Session, heads: int) -> Estimate:
    """So many heads of one member, for the run's epochs."""
    own = recipe(session, members=1)
    return training(rates, len(session.evidence), own.config, own.training).times(heads)


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
