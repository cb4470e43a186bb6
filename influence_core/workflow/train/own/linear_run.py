"""A linear model of a user's features as a run: something to look at while a head is trained.

It costs a second where a head takes ten or more: each row is predicted without itself in closed
form (`linear`), which takes the place of the flipped side. `notebook.show` calls this.

Stored as a network run (`publish` says how), with the linear model as its last layer.
"""

import numpy as np
import torch

from influence_core.store.project import Project
from influence_core.store.runs import LINEAR, Run
from influence_core.training.features import Standardised, moments
from influence_core.workflow.session_network import LastLayer
from influence_core.workflow.train.own.linear import leave_one_out
from influence_core.workflow.train.own.probabilities import write_run

MOST = 5e10  # products of numbers, N·d²: a second or two on one core
MOST_FEATURES = 4_096  # d × d numbers are kept a few times


def publish_linear(project: Project, note: str = "") -> Run | None:
    """Fit it on the project's features, which are there, and store the run.

    Returns:
        None where it would keep people waiting, or where the labels are of one class or missing.

    Raises:
        DataError: a feature is NaN or infinite. StoreError: the run cannot be written.
    """
    labels = np.array(project.dataset.train.labels)
    raw = project.features("train")
    rows, d = raw.shape
    if d > MOST_FEATURES or rows * d**2 > MOST:
        return None
    there = np.unique(labels)
    if len(there) < 2 or there[0] < 0:
        return None
    mean, scale = moments(raw)
    features = Standardised.using(raw, mean, scale)
    found = leave_one_out(features, torch.from_numpy(labels), len(project.dataset.classes))
    weight = found.weight.T * scale  # of features as they are stored, (C, d)
    reader = LastLayer(weight, mean, scale, found.bias - weight @ mean)
    config = {"network": None, LINEAR: True}
    writer = project.new_run("network", config, 0, project.settings.encoder_fingerprint, note)
    with writer:
        write_run(writer, project, reader, found.outside.numpy())
    return writer.run
