"""Where unfinished rounds and trials lie in their project, so that the same verb goes on.

The name of their files says what was asked, the content all that decides the result: data, run,
settings, code, device and threads. They go when the result is kept. Called by `find_harm`,
`cleanse` and `trials`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from influence_core.disk.checkpoint import code_fingerprint, remove_forgotten
from influence_core.evaluation.retrain import Recipe
from influence_core.training.heads.checkpoint import identity
from influence_core.training.heads.parts_checkpoint import SUFFIX, PartsCheckpoint
from influence_core.workflow.session import Session
from influence_core.workflow.train.resume import FOLDER


def unfinished_stem(session: Session, kind: str, asked: list[Any]) -> Path:
    """How files of work on a run begin, existing or not; forgotten ones of its kind are removed.

    Args:
        kind: how the name begins. asked: plain values that tell it from other work of its kind.
    """
    text = json.dumps([session.run.id, asked], sort_keys=True)
    folder = session.project.root / FOLDER
    own = folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    remove_forgotten(folder, f"{kind}-*{SUFFIX}", own.name)
    return own


def parts_of(
    stem: Path | None, session: Session, what: Recipe, asked: list[Any]
) -> PartsCheckpoint | None:
    """The finished parts of this work; none of them if the files are those of other work.

    Args:
        stem: from `unfinished_stem`; None keeps nothing.
        what: all that is trained.
        asked: plain values that decide the result beside it.

    The device and the number of threads count, because sums are made in another order on others:
    only with the same ones are the bits those of unbroken work.
    """
    if stem is None:
        return None
    about = {
        "data": session.project.fingerprint,
        "encoder": session.run.record.encoder_fingerprint,
        "run": session.run.id,
        "code": code_fingerprint(),
        "device": session.device.type,
        "threads": torch.get_num_threads(),
        "asked": asked,
    }
    return PartsCheckpoint(stem, identity(what.rows, what.config, what.training, about))
