"""Masks on what a layer reads, where no module stands between it and the layer before.

A classifier straight on pooled features (ResNet, ViT, GPT-2), the projection of a convolution
block, the ranks of a LoRA adapter: there is no Dropout to take the place of and no activation to
follow. The mask becomes a child of the layer that reads the units and acts on its inputs, so no
weight changes its name. Column k of the reader's weight is then taught by, and read for, the rows
alone that have unit k on that side.
"""

from typing import Any

import torch
from torch import nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.twins import set_weight, weight_of
from influence_core.turnover.layer import TurnoverDropout

CHILD = "turnover"  # what the mask is called within its reader


def mask_inputs(reader: nn.Module, layer: TurnoverDropout) -> None:
    """Let a layer read its inputs through a mask."""
    layer.dim = 1 if isinstance(reader, nn.Conv2d) else -1
    layer.train(reader.training)
    reader.add_module(CHILD, layer)
    reader.register_forward_pre_hook(_masked)


def _masked(reader: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    layer: Any = reader.get_submodule(CHILD)
    x, *more = args
    dim = layer.unit_dim(x)
    if 2 * x.shape[dim] == layer.size:  # twins: each unit is read twice
        x = torch.cat([x, x], dim)
    return (layer(x), *more)


@torch.no_grad()
def twin_inputs(reader: nn.Module) -> int:
    """Let a layer read every unit twice, at half the weight; returns how many units it reads.

    Units lie on opposite sides with their twins, so each side of a row starts as the layer itself.
    """
    weight = weight_of(reader)
    set_weight(reader, torch.cat([weight, weight], 1) * 0.5)
    return 2 * weight.shape[1]


def units_read(reader: nn.Module, name: str) -> int:
    """How many units a layer reads.

    Raises:
        ModelError: it is a grouped convolution, of which no column belongs to one unit alone, or
            no layer with a weight a unit.
    """
    if isinstance(reader, nn.Conv2d) and reader.groups != 1:
        raise ModelError(
            f"{name} is a grouped convolution, which no mask on its inputs divides; name another "
            "layer."
        )
    return int(weight_of(reader).shape[1])
