"""Our Adam makes the steps of torch's, goes on where it stood, and loads no compiler."""

import subprocess
import sys

import torch

from influence_core.training.heads.adam import BETA1, BETA2, Adam
from influence_core.training.heads.types import HeadTraining

TRAINING = HeadTraining(learning_rate=3e-3, weight_decay=0.01)


def start():
    rng = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=rng) for shape in ((2, 5, 4), (2, 4), (2, 4, 3))]


def gradients(step):
    rng = torch.Generator().manual_seed(step + 2)
    return [torch.randn(p.shape, generator=rng) for p in start()]


def test_its_steps_are_those_of_torch_to_the_bit():
    ours, theirs = start(), start()
    adam = Adam(ours, TRAINING)
    other = torch.optim.Adam(
        theirs, lr=TRAINING.learning_rate, betas=(BETA1, BETA2), eps=TRAINING.eps,
        weight_decay=TRAINING.weight_decay, fused=True,
    )  # fmt: skip
    for step in range(5):
        adam.step(gradients(step))
        for param, gradient in zip(theirs, gradients(step), strict=True):
            param.grad = gradient
        other.step()
    assert all(map(torch.equal, ours, theirs))
    assert not any(map(torch.equal, ours, start()))
    assert adam.state().steps == 5
    assert all(
        torch.equal(m, other.state[p]["exp_avg"]) and torch.equal(v, other.state[p]["exp_avg_sq"])
        for p, m, v in zip(theirs, adam.first, adam.second, strict=True)
    )


def test_one_that_goes_on_from_a_state_ends_where_an_unbroken_one_does():
    ours = start()
    whole = Adam(ours, TRAINING)
    for step in range(3):
        whole.step(gradients(step))
    broken = [param.clone() for param in ours]
    later = Adam(broken, TRAINING)
    later.step(gradients(9))  # forgotten below
    for own, param in zip(broken, ours, strict=True):
        own.copy_(param)
    later.go_on_from(whole.state())
    for step in range(3, 6):
        whole.step(gradients(step))
        later.step(gradients(step))
    assert all(map(torch.equal, ours, broken))


TRAIN = """
import sys, torch
from influence_core.training.heads.adam import Adam
from influence_core.training.heads.types import HeadTraining
Adam([torch.ones(2)], HeadTraining()).step([torch.ones(2)])
print("torch._dynamo" in sys.modules)
"""


def test_a_step_does_not_load_the_compiler():
    done = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
