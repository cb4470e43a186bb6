"""A small VGG from scratch, by a plan in the encoder's spec: `vgg:32,M,64,M,64,M`.

For pictures that no pretrained network suits, and wherever the whole network shall be isolated:
with one convolution a block and masks in every block, no weight is left that both sides share.
The plan may be followed by the width of the hidden layer and by size and channels of the
pictures, such as `vgg:32,M,64,M:64:28:1`. Called by `training.networks.registry`.
"""

import re
from typing import Any

import torch
from torch import nn

from influence_core.errors import ModelError
from influence_core.models.images import VggSpec, small_vgg

PLAN = "32,M,64,M,64,M"
_SHAPE = (128, 32, 3)  # hidden units, size, channels
_SPEC = re.compile(r"(?P<plan>[0-9]+(,([0-9]+|M))*)(?P<shape>(:[0-9]+){0,3})")


def is_plan(rest: str) -> bool:
    """Whether what follows `vgg:` is a plan (or nothing), not a file."""
    return not rest or bool(_SPEC.fullmatch(rest))


def scratch_spec(rest: str, classes: int) -> VggSpec:
    """The plan as a `VggSpec`.

    Raises:
        ModelError: the pictures are too small for so many poolings, or something is zero or far
            too large.
    """
    found = _SPEC.fullmatch(rest or PLAN)
    if found is None:
        raise ModelError(f"'{rest}' is no plan of a VGG; write one such as 'vgg:{PLAN}:64:28:1'.")
    plan = tuple(step if step == "M" else int(step) for step in found["plan"].split(","))
    given = [int(number) for number in found["shape"].split(":")[1:]]
    dim, size, channels = (*given, *_SHAPE[len(given) :])
    if 0 in (*plan, dim, size) or channels not in (1, 3) or size < 2 ** plan.count("M"):
        raise ModelError(
            f"The plan 'vgg:{rest}' cannot be built: every number must be above 0, pictures have 1 "
            f"or 3 channels, and {plan.count('M')} poolings need at least "
            f"{2 ** plan.count('M')} pixels a side, not {size}."
        )
    try:
        return VggSpec(plan, classes, dim, channels, size)
    except ValueError as error:
        raise ModelError(f"The plan 'vgg:{rest}' cannot be built: {error}.") from error


def scratch_vgg(spec: VggSpec) -> Any:
    """The network with fresh weights (He et al. 2015), drawn from torch's present seed."""
    model = small_vgg(spec)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            layer.bias = nn.Parameter(torch.zeros(len(layer.weight)))
    return model
