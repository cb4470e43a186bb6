"""The verb `prove`: retrain without the listed rows, beside random ones, and look at the item.

Called by the Errors page (*Verify*) and by `benchmarks.proof`.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.errors import StoreError
from influence_core.evaluation.adaptive import Strengths, fewest_rows
from influence_core.evaluation.change import Change, predicted_change
from influence_core.evaluation.proof import ARMS, Proof, Proving
from influence_core.evaluation.proof import prove as run_proof
from influence_core.evaluation.proof import smallest_flip as run_search
from influence_core.evaluation.retrain import retrain, without
from influence_core.progress import ProgressFn
from influence_core.workflow.evaluate.changes import calibration_of, keep_changes
from influence_core.workflow.evaluate.stand_in import SENTENCE
from influence_core.workflow.evaluate.work import recipe
from influence_core.workflow.explain.items import Item
from influence_core.workflow.explain.proof.change import Effects
from influence_core.workflow.session import Session

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Expected:
    """What a replay says of the listed rows: for a label, each member's log-probability and effect.

    `log_proba` and `effects` are (E,) as in `evaluation.change`; `side` is "helpful" or "harmful".
    """

    label: int
    side: str
    log_proba: npt.NDArray[np.float32]
    effects: npt.NDArray[np.float32]

    @classmethod
    def of(cls, effects: Effects, label: int, side: str, count: int) -> "Expected":
        """Of the first `count` rows of an answer's side."""
        return cls(label, side, effects.log_proba, effects.of(side, count))


@dataclass(frozen=True)
class ProofReport:
    """The outcome in words and as a table.

    `table` has one line per arm and class: `arm` ("nothing", "listed" or "random"), `class`,
    `probability` with half a 95 % interval `half`, `predicted` (in how many of `retrainings`).
    """

    sentence: str
    table: pd.DataFrame
    proof: Proof
    label: int
    change: Change | None = None  # what was predicted of this very model
    actual: Change | None = None  # what became of it, retrained from its own start


@dataclass(frozen=True)
class FlipReport:
    """The smallest set that changes the prediction, or None, and what was tried.

    `keys` are its rows: the first ones of the ranking, or fewer that were chosen adaptively.
    """

    sentence: str
    smallest: int | None
    tried: pd.DataFrame  # rows, flipped (share of retrainings)
    proof: ProofReport | None
    keys: Keys


def prove(
    session: Session,
    item: Item,
    keys: Keys,
    *,
    retrainings: int = 10,
    expected: Expected | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> ProofReport:
    """Leave the listed training rows out and retrain.

    Two questions: a model trained like this one, from several starts; and, if something was
    expected of it, this very model, from its own start.

    Args:
        item: what is watched; its true label if it has one, else the predicted one.
        keys: (k,) keys of training rows.
        retrainings: each with its own start, masks and order, the same for all arms.
        expected: the rows' effects by a replay, which are held against this model retrained.

    Raises:
        DataError: a key is unknown or listed twice, or none is given.
    """
    listed = session.project.dataset.train.positions_of(np.asarray(keys, dtype=np.uint64))
    proof = run_proof(
        proving(session, item), listed, retrainings=retrainings, progress=progress, cancel=cancel
    )
    report = _report(session, item, proof)
    if expected is None or session.evidence.head is None:
        return report
    change, actual = _this_model(session, item, listed, expected, cancel)
    name = session.classes[expected.label]
    half = "" if isnan(change.half) else f" (± {change.half:.2f})"
    told = (
        f"This very model, retrained from its own start without these rows: '{name}' went from "
        f"{actual.before:.2f} to {actual.after:.2f}; about {change.after:.2f}{half} was predicted. "
        "Models trained like it, from other starts: "
    )
    return replace(report, sentence=told + report.sentence, change=change, actual=actual)


def _this_model(
    session: Session,
    item: Item,
    listed: npt.NDArray[np.int64],
    expected: Expected,
    cancel: threading.Event | None,
) -> tuple[Change, Change]:
    """What was predicted and what came of it; both are remembered for the next interval."""
    made, run = recipe(session), session.run
    nobody = np.array([], dtype=np.int64)
    rows = replace(made.rows, weights=without(len(session.evidence), [nobody, listed]))
    seen = retrain(rows, made.config, made.training, item.features[None], cancel=cancel)
    log_proba = seen[:, :, 0, expected.label].astype(np.float64)  # (2, E)
    change = predicted_change(expected.log_proba, expected.effects, calibration_of(run))
    first = predicted_change(expected.log_proba, expected.effects)
    (before, after), (loss, later) = np.exp(log_proba).mean(1), -log_proba.mean(1)
    actual = Change(float(before), float(after), 0.0, float(loss), float(later), 0.0)
    line = {"key": np.uint64(item.key or 0), "label": expected.label, "side": expected.side}
    line |= {"removed": len(listed), "predicted": first.rise, "actual": actual.rise}
    with suppress(StoreError):  # a proof is worth showing even where it cannot be remembered
        keep_changes(run, pd.DataFrame([line]))
    return change, actual


def smallest_flip(
    session: Session,
    item: Item,
    ranking: Keys,
    *,
    strengths: Strengths | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> FlipReport:
    """Search the fewest rows from the top of a ranking without which the prediction changes.

    Args:
        ranking: keys of training rows, strongest first.
        strengths: of all rows once some are gone; with it a smaller set is searched adaptively.

    Raises:
        DataError: a key is unknown or listed twice, or none is given.
    """
    train, job = session.project.dataset.train, proving(session, item)
    order = train.positions_of(np.asarray(ranking, dtype=np.uint64))
    found = static = run_search(job, order, progress=progress, cancel=cancel)
    if strengths is not None:
        found = fewest_rows(job, order, strengths, static, progress=progress, cancel=cancel)
    tried = pd.DataFrame({"rows": list(found.tried), "flipped": list(found.tried.values())})
    if found.proof is None or found.smallest is None:
        most = max(found.tried)
        sentence = f"Leaving out up to {most} rows of this list does not change the prediction."
        return FlipReport(sentence, None, tried, None, np.array([], dtype=np.uint64))
    report = _report(session, item, found.proof)
    sentence = f"Leaving out {found.smallest} rows changes the prediction. {report.sentence}"
    if found is not static:
        few = static.smallest
        than = f"of the list it takes the first {few}" if few else "no first rows of the list do"
        sentence += (
            " They were chosen a few at a time, each time by a replay of the training without "
            f"those before; {than}."
        )
    keys = np.asarray(train.keys)[found.proof.removed]
    return FlipReport(sentence, found.smallest, tried, report, keys)


def proving(session: Session, item: Item) -> Proving:
    """What is retrained, and the item that is watched."""
    made = recipe(session)
    return Proving(made.rows, made.config, made.training, item.features[None])


def _report(session: Session, item: Item, proof: Proof) -> ProofReport:
    label = item.predicted if item.true is None else item.true
    lines = []
    for arm in ARMS:
        for number, name in enumerate(session.classes):
            found = proof.probability(arm, number)
            lines.append(
                {
                    "arm": arm,
                    "class": name,
                    "probability": found.mean,
                    "half": found.half,
                    "predicted": proof.predicted(arm, number),
                    "retrainings": proof.retrainings,
                }
            )
    sentence = proof.sentence(label, session.classes[label])
    if session.evidence.head is None:
        sentence += f" {SENTENCE}"
    return ProofReport(sentence, pd.DataFrame(lines), proof, label)
