"""A prediction that a known set of training rows has turned."""

from dataclasses import replace

import numpy as np
import torch
from toy_rows import CONFIG, TRAINING, clouds

from influence_core.evaluation.proof import Proving


def planted(copies=16):
    """A target that `copies` mislabelled copies of it pull to the wrong class."""
    rows, _, x, y = clouds(n=120, noise=0.0)
    right = int(y[0])
    wrong = (right + 1) % 3
    features = replace(
        rows.features,
        resident=torch.cat([rows.features.resident, x[:1].repeat(copies, 1)]),
        raw=np.zeros((120 + copies, 6)),
    )
    labels = torch.cat([rows.labels, torch.full((copies,), wrong)])
    keys = torch.cat([rows.keys, torch.arange(copies) + 5])
    rows = replace(rows, features=features, labels=labels, keys=keys)
    training = replace(TRAINING, epochs=8, batch=64, learning_rate=2e-2)
    return Proving(rows, CONFIG, training, x[:1]), np.arange(120, 120 + copies), right, wrong
