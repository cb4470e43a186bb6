"""Captum's TracInCPFast and TracInCPFastRandProj on the head, rows and target of our own scan.

All members stand side by side as one plain network (Linear 384 × 4,096, ReLU, Linear 4,096 × 10),
one checkpoint. Needs the extra `benchmark`; called by `benchmarks.scan`.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from captum import influence
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.scan_cases import FEATURES
from influence_core.influence.base import Evidence, HeadWeights

SKETCH = 512


def side_by_side(head: HeadWeights) -> nn.Sequential:
    """The members as one network whose logits are the members' mean."""
    members, d, width = head.W1.shape
    model = nn.Sequential(
        nn.Linear(d, members * width),
        nn.ReLU(),
        nn.Linear(members * width, head.W2.shape[2], bias=False),
    )
    with torch.no_grad():
        model[0].weight.copy_(head.W1.permute(0, 2, 1).reshape(members * width, d))
        model[0].bias.copy_(head.b1.reshape(-1))
        model[2].weight.copy_(head.W2.reshape(members * width, -1).T / members)
    return model


def timings(evidence: Evidence) -> list[tuple[str, str]]:
    """(case, what it took) of one target against all rows; set-up apart."""
    if evidence.head is None:
        return []
    x = torch.randn(len(evidence), FEATURES, generator=torch.Generator().manual_seed(6))
    rows = TensorDataset(x, evidence.labels)
    target = (x[:1], evidence.labels[:1])
    model = side_by_side(evidence.head)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.pt")
        torch.save(model.state_dict(), path)

        def load(net: nn.Module, path: str) -> float:
            net.load_state_dict(torch.load(path, weights_only=True))
            return 1.0

        common: dict[str, Any] = {
            "checkpoints_load_func": load,
            "loss_fn": nn.CrossEntropyLoss(reduction="sum"),
            "batch_size": 2_048,
        }
        args = (model, model[2], rows, [path])
        for name, more in (
            ("TracInCPFast", {}), ("TracInCPFastRandProj", {"projection_dim": SKETCH})
        ):  # fmt: skip
            start = time.perf_counter()
            method = getattr(influence, name)(*args, **common, **more)
            ready = time.perf_counter()
            method.influence(target, k=20)
            done = time.perf_counter()
            told = f"{done - ready:.2f} s a query, {ready - start:.1f} s to set up"
            out.append((f"Captum {name}, the same head, rows and target", told))
    return out
