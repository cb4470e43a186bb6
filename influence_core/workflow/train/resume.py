"""Where unfinished work lies in its project, so that the same verb goes on.

The name of a file says what was asked, its content all that decides the result; other data,
features, settings or code do not find it (`disk.checkpoint`). It goes when the result is kept.
"""

from pathlib import Path
from typing import Any

import torch

from influence_core.disk.checkpoint import FOLDER, SUFFIX, Checkpoint, Parts, tidy
from influence_core.disk.fingerprint import of_json
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.training.heads.checkpoint import HeadCheckpoint, identity
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.session import Session


def head_checkpoint(
    project: Project,
    rows: Rows,
    config: HeadConfig,
    training: HeadTraining,
    cluster: Cluster | None = None,
) -> HeadCheckpoint:
    """The checkpoint of this training, begun or not.

    The device counts, because only on the same one are the weights those of an unbroken training;
    so does whether a cluster trains, which rounds in another way. How many workers it has does not:
    it may have more or fewer by then, and going on is worth more than the last bits.
    """
    features = rows.features
    about = {
        "data": project.fingerprint,
        "encoder": project.settings.encoder_fingerprint,
        "device": features.mean.device.type if isinstance(features, Standardised) else "",
        "workers": "" if cluster is None else cluster.device,
    }
    belongs_to = identity(rows, config, training, about)
    path = place(project, "head", belongs_to).with_suffix(SUFFIX)
    return HeadCheckpoint(Checkpoint(path, belongs_to))


def unfinished(session: Session, kind: str, asked: list[Any]) -> Parts:
    """Finished parts of work on a run.

    Args:
        kind: how the name begins.
        asked: plain values that tell it from other work of its kind.
    """
    return parts_at(place(session.project, kind, of_json([session.run.id, asked])), session)


def parts_at(stem: Path, session: Session) -> Parts:
    """Finished parts of work on a run, under a name of one's own.

    The device and the number of threads count, because sums are made in another order on others:
    only with the same ones are the bits those of unbroken work.
    """
    about = {
        "data": session.project.fingerprint,
        "encoder": session.run.record.encoder_fingerprint,
        "run": session.run.id,
        "device": session.device.type,
        "threads": torch.get_num_threads(),
    }
    return Parts(stem, of_json(about))


def place(project: Project, kind: str, asked: str) -> Path:
    """How the names of files begin; forgotten ones of other work are removed.

    Args:
        kind: of work. asked: hash that tells it from other work of its kind.
    """
    folder = project.root / FOLDER
    stem = folder / f"{kind}-{asked[:16]}"
    tidy(folder, stem.name)
    return stem
