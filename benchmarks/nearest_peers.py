"""The two peers nearest to ours: DualDA (frozen features) and Bergson's MAGIC (replay).

DualDA fits a support vector machine to the features and reads its dual variables; it reads no head.
MAGIC differentiates a training by its rows' weights, one target at a time. Bergson is made for
language models; its trainer takes any module whose forward pass is a loss, so it is given the first
member of our head, with that member's start, masks and batches: the same question as replay's.
"""

import shutil
import tempfile
import time
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers import dataset, goal
from benchmarks.process import Ready
from benchmarks.task import Task
from influence_core.training.heads.loop import HeadLoop
from influence_core.training.heads.tape import step_rows
from influence_core.turnover.head import initial_weights, member_masks

MAGIC_TARGETS = 6  # of each kind: a target costs several trainings
EPS_ROOT = 1e-17  # Bergson's own default


def dualda(task: Task, strength: float) -> Ready:
    """The dual of a Crammer-Singer machine on the features; `strength` is its C, 1 by default."""
    from dualxda import DualDA

    folder = tempfile.mkdtemp()
    model = nn.Sequential(nn.Identity(), nn.Linear(task.X.shape[1], task.classes))
    start = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):  # that its solver stopped at a million steps
        method = DualDA(model, dataset(task), "1", "cpu", folder, C=strength)
    training = time.perf_counter() - start
    shutil.rmtree(folder)

    def score(which: slice) -> np.ndarray:
        return method.attribute(*goal(task, which)).numpy()

    return Ready(score, training, 0.0)


class Member(nn.Module):
    """One member as Bergson trains: keyword arguments in, a loss out."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        W1, b1, W2 = (t[0].clone() for t in initial_weights(task.head(members=1)))
        self.W1, self.b1, self.W2 = (nn.Parameter(t) for t in (W1, b1, W2))

    def forward(self, x: Any, y: Any, weight: Any, mask: Any, shift_loss_mask: Any) -> Any:
        """The mean of the rows' losses, each times its weight."""
        h = torch.relu(x @ self.W1 + self.b1) * mask
        losses = nn.functional.cross_entropy(h @ self.W2, y, reduction="none")
        return (losses * weight).mean()


class Stream:
    """The run's batches, as Bergson's `DataStream` offers them."""

    device = torch.device("cpu")

    def __init__(self, task: Task) -> None:
        self.loop = HeadLoop(task.rows, task.head(members=1), task.training())
        self.batches = step_rows(self.loop, task.training())
        self.weights = nn.Parameter(torch.ones(len(task.labels)))
        self.x, self.y = dataset(task).tensors

    @property
    def requires_grad(self) -> bool:
        """Of the rows' weights."""
        return self.weights.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.weights.requires_grad = value

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        index = self.batches[step]
        masks = member_masks(self.loop.keys[index], self.loop.config)[0]
        return batch(self.x[index], self.y[index], self.weights[index], masks)


def batch(x: Any, y: Any, weight: Any, mask: Any) -> dict[str, torch.Tensor]:
    ones = torch.ones(len(y), 1)  # Bergson's denominator: one label a row
    return {"x": x, "y": y, "weight": weight, "mask": mask, "shift_loss_mask": ones}


def magic(task: Task) -> Ready:
    """Bergson's MAGIC on the first member; targets beyond `MAGIC_TARGETS` of a kind are NaN."""
    import torchopt
    from bergson.magic.trainer import BackwardState, Trainer

    training, start = task.training(), time.perf_counter()
    model, stream, folder = Member(task), Stream(task), tempfile.mkdtemp()
    adam = torchopt.adamw(
        training.learning_rate, eps=training.eps, eps_root=EPS_ROOT, weight_decay=0.0
    )
    trainer, state = Trainer.initialize(model, adam)
    state.detach_()
    end = trainer.train(state, stream, save_dir=folder)
    end.detach_()
    final = end.to("cpu")
    done = time.perf_counter() - start

    def one(x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
        params = {name: p.detach().clone().requires_grad_() for name, p in final.params.items()}
        whole = batch(x, y, torch.ones(1), torch.ones(1, task.head().width))
        loss = torch.func.functional_call(model, params, kwargs=whole, args=())
        grads = dict(zip(params, torch.autograd.grad(loss, params.values()), strict=True))
        own = final.to("cpu")
        moments = [torch.zeros_like(t) for t in own.differentiable_tensors()[len(params) :]]
        begin = BackwardState(grads, moments, torch.zeros(len(task.labels)))
        found = trainer.backward(folder, stream, begin, own, cleanup=False)
        return -found.weight_grads.detach().numpy()

    def score(which: slice) -> np.ndarray:
        x, y = goal(task, which)
        out = np.full((len(y), len(task.labels)), np.nan)
        first = [*range(MAGIC_TARGETS), *range(task.wrong, task.wrong + MAGIC_TARGETS)]
        for place, target in enumerate(range(len(task.yt))[which]):
            if target in first:
                out[place] = one(x[place : place + 1], y[place : place + 1])
        return out

    return Ready(score, done, 0.0, 1)
