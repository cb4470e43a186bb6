"""The verb `prove`: retrain without the listed rows, beside random ones, and look at the item.

Called by the Errors page (*Prove it*) and by `benchmarks.proof`.
"""

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.evaluation.proof import ARMS, Flip, Proof, Proving
from influence_core.evaluation.proof import prove as run_proof
from influence_core.evaluation.proof import smallest_flip as run_search
from influence_core.progress import ProgressFn
from influence_core.workflow.evaluate.stand_in import SENTENCE
from influence_core.workflow.evaluate.work import recipe
from influence_core.workflow.explain.explain import Item
from influence_core.workflow.session import Session

Keys = npt.NDArray[np.uint64]


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


@dataclass(frozen=True)
class FlipReport:
    """The smallest set along a ranking that changes the prediction, or None, and what was tried."""

    sentence: str
    smallest: int | None
    tried: pd.DataFrame  # rows, flipped (share of retrainings)
    proof: ProofReport | None


def prove(
    session: Session,
    item: Item,
    keys: Keys,
    *,
    retrainings: int = 10,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> ProofReport:
    """Leave the listed training rows out and retrain.

    Args:
        item: what is watched; its true label if it has one, else the predicted one.
        keys: (k,) keys of training rows.
        retrainings: each with its own start, masks and order, the same for all arms.

    Raises:
        DataError: a key is unknown or listed twice, or none is given.
    """
    listed = session.project.dataset.train.positions_of(np.asarray(keys, dtype=np.uint64))
    proof = run_proof(
        _job(session, item), listed, retrainings=retrainings, progress=progress, cancel=cancel
    )
    return _report(session, item, proof)


def smallest_flip(
    session: Session,
    item: Item,
    ranking: Keys,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> FlipReport:
    """Search the fewest rows from the top of a ranking without which the prediction changes.

    Args:
        ranking: keys of training rows, strongest first.

    Raises:
        DataError: a key is unknown or listed twice, or none is given.
    """
    order = session.project.dataset.train.positions_of(np.asarray(ranking, dtype=np.uint64))
    found: Flip = run_search(_job(session, item), order, progress=progress, cancel=cancel)
    tried = pd.DataFrame({"rows": list(found.tried), "flipped": list(found.tried.values())})
    if found.proof is None or found.smallest is None:
        most = max(found.tried)
        sentence = f"Leaving out up to {most} rows of this list does not change the prediction."
        return FlipReport(sentence, None, tried, None)
    report = _report(session, item, found.proof)
    sentence = f"Leaving out {found.smallest} rows changes the prediction. {report.sentence}"
    return FlipReport(sentence, found.smallest, tried, report)


def _job(session: Session, item: Item) -> Proving:
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
