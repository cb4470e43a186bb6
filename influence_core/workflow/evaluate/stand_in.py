"""A head in place of a whole network, where something has to be retrained hundreds of times.

A network run cannot be retrained for every question; a fresh turn-over head on the features that
its last layer is given can. It answers for the data as the trained network sees them, not for what
the network itself would have learned without a row, and the page says so. How many
epochs it takes is found once a run, by the flipped side, and kept beside the run.

Used by `evaluation_work.recipe`, so by `evaluate` and `prove`.
"""

from dataclasses import asdict, replace
from pathlib import Path

import torch

from influence_core.disk.atomic import read_json, write_json
from influence_core.errors import StoreError
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.session import Session

FILE = "stand-in.json"
SENTENCE = (
    "What is retrained is a head on this network's features, not the network: the answer is about "
    "the data as the trained network sees them."
)
_MEMBERS = 8
_WIDTH = 256


def stand_in(session: Session) -> tuple[HeadConfig, HeadTraining]:
    """Shape, start and training of the head, with a fixed number of epochs.

    Raises:
        StoreError: the kept file is damaged or cannot be written.
    """
    evidence = session.evidence
    seed = session.run.record.seed
    d = evidence.features.rows(torch.tensor([0])).shape[1]
    config = HeadConfig(d, len(session.classes), _MEMBERS, _WIDTH, seed=seed)
    path = session.run.folder / "retrainings" / FILE
    if path.is_file():
        return config, HeadTraining(epochs=_epochs(path), seed=seed)
    rows = Rows(evidence.features, evidence.labels, evidence.keys)
    training = HeadTraining(seed=seed)
    fit = fit_heads(rows, config, training)
    write_json(path, {"head": asdict(config), "epochs": fit.epochs})
    return config, replace(training, epochs=fit.epochs)


def _epochs(path: Path) -> int:
    try:
        return int(read_json(path)["epochs"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} is damaged ({error}); delete it and evaluate again.") from error
