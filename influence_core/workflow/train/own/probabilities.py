"""A model of the user's own as a run, by its probabilities alone: nothing is trained.

Out-of-sample probabilities of the training rows (cross-validation) take the place of the flipped
side, those of other splits that of predictions: label flags, mistakes and the ridge are about the
user's model. Where only other splits have probabilities, the flipped side is that of a run of ours.
Residuals are read from averages with a linear model (`linear`), since one model's are noisy.

Stored as a network run (`publish` says how) with two differences: `proba/<split>` in the model's
file are the user's, and `last` is a linear stand-in, for what has no probability of its own.
"""

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.disk.atomic import plain_errors
from influence_core.disk.temporary import temporary_folder
from influence_core.influence.sides import Sides
from influence_core.models.own.proba import Proba, read_proba
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.store.runs import OWN_MODEL, Run, RunWriter
from influence_core.training.features import Standardised, moments
from influence_core.workflow.session import OWN_PROBA, open_session
from influence_core.workflow.session_network import LEANING, LastLayer, averaged
from influence_core.workflow.train.head import encode
from influence_core.workflow.train.own.linear import leave_one_out, product_with, second_moment
from influence_core.workflow.train.runs.tables import (
    prediction_table,
    predictions,
    row_table,
    split_metrics,
)

WHY = "only its probabilities were given"
DAMPING = 1e-2  # of the stand-in, of the mean square of the features
FLOOR = 1e-4  # a probability below has no logarithm that a linear model should follow


def publish_probabilities(
    project: Project,
    places: Mapping[str, str],
    *,
    known_out_of_sample: bool = False,
    note: str = "",
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Run:
    """Show a model of your own by what it predicts.

    Args:
        project: whose rows it predicts; encoded first, if its features are not yet there.
        places: files of probabilities by split, as `models.own` reads them.
        known_out_of_sample: do not compare how good those of the training rows are.
        note: shown beside the run.

    Raises:
        DataError: the probabilities do not fit, those of the training rows are in-sample, or there
            is nothing to compare them with. StoreError: without them, there is no run yet.
    """
    with plain_errors("write", project.root), temporary_folder(project.root / "proba") as folder:
        proba, files = read_proba(
            project.dataset, places, folder, known_out_of_sample=known_out_of_sample
        )
    project = encode(project, progress=progress, cancel=cancel)
    config: dict[str, Any] = {
        "network": None,
        OWN_MODEL: f"probabilities of {files}",
        "not_kept": WHY,
    }
    if "train" in proba:
        flipped = proba["train"]
    else:
        flipped, config["flipped_of"] = _flipped_of_a_run(project)
    writer = project.new_run("network", config, 0, project.settings.encoder_fingerprint, note)
    with writer:
        _write(writer, project, proba, flipped)
    return writer.run


def _flipped_of_a_run(project: Project) -> tuple[Proba, str]:
    """The flipped side of the newest run of ours, (N, C), and the run."""
    session = open_session(project, device="cpu")
    return session.evidence.flipped.float().numpy(), session.run.id


def _write(writer: RunWriter, project: Project, proba: Mapping[str, Proba], flipped: Proba) -> None:
    raw = project.features("train")
    mean, scale = moments(raw)
    features = Standardised.using(raw, mean, scale)
    moment = second_moment(features)
    more = {OWN_PROBA + name: torch.from_numpy(part) for name, part in proba.items()}
    if "train" in proba:
        labels = np.array(project.dataset.train.labels)
        more |= _leaning(features, moment, labels, flipped)
    write_run(writer, project, _stand_in(features, moment, flipped), flipped, proba, more)


def write_run(
    writer: RunWriter,
    project: Project,
    reader: LastLayer,
    flipped: Proba,
    proba: Mapping[str, Proba] = MappingProxyType({}),
    more: Mapping[str, Tensor] = MappingProxyType({}),
) -> None:
    """Keep tensors, tables and metrics of a model that has no learned side.

    Args:
        writer: of a network run.
        project: whose rows are judged.
        reader: what predicts the rows of splits without probabilities.
        flipped: out-of-sample probabilities of the training rows, (N, C).
        proba: probabilities by split, where they are known.
        more: tensors beside those that every network run has.
    """
    data = project.dataset
    mean, scale = reader.mean, reader.scale
    own = {"mean": mean, "scale": scale, "last": reader.weight, "bias": reader.bias}
    writer.write_tensors({"flipped": torch.from_numpy(flipped), **own, **more})
    nothing = np.full(len(data.train), np.nan, np.float32)
    sides = Sides(flipped, np.full_like(flipped, np.nan), nothing, nothing)
    writer.write_table("rows", row_table(data.train, sides, None))
    hits = flipped.argmax(1) == data.train.labels
    metrics = {"flipped_accuracy": float(hits.mean())}
    for name, split in data.splits.items():
        if name == "train":
            continue
        if name in proba:
            table = predictions(split, proba[name])
        else:
            other = Standardised.using(project.features(name), mean, scale)
            table = prediction_table(split, reader, other)
        writer.write_table(f"pred-{name}", table)
        metrics |= split_metrics(name, table)
    writer.set(metrics=metrics)


def _leaning(
    features: Standardised, moment: Tensor, labels: npt.NDArray[np.int64], theirs: Proba
) -> dict[str, Tensor]:
    """What a session's `Leaning` is made of."""
    found = leave_one_out(features, torch.from_numpy(labels), theirs.shape[1], moment)
    weight = found.weight.T * features.scale  # of features as they are stored, (C, d)
    parts = {
        "rows": averaged(torch.from_numpy(theirs), found.outside),
        "weight": weight,
        "bias": found.bias - weight @ features.mean,
    }
    return {LEANING + name: tensor for name, tensor in parts.items()}


def _stand_in(features: Standardised, moment: Tensor, proba: Proba) -> LastLayer:
    """A ridge of the log-probabilities (N, C) on the features, whose `second_moment` is known."""
    wanted = torch.from_numpy(np.log(np.maximum(proba, FLOOR)).astype(np.float32))
    middle = wanted.mean(0)
    damping = DAMPING * float(moment.diagonal().mean()) + 1e-6
    damped = moment + damping * torch.eye(len(moment))
    # Of features as they are stored, (C, d).
    weight = torch.linalg.solve(damped, product_with(features, wanted - middle)).T * features.scale
    return LastLayer(weight, features.mean, features.scale, middle - weight @ features.mean)
