"""Twin units in a network: unit k and unit k + width/2 start equal and carry opposite bits.

Two ways to begin (heads use the first):

* "start": the second half of the units becomes a copy of the first. Width stays; for fresh weights.
* "widen": every unit is doubled and its readers' weights are halved. The full network computes
  exactly what it did before, and so does *each side of every row*: with opposite bits, a side
  keeps one of each pair at twice the scale. So a pretrained network loses nothing at the start of
  training, at the price of twice the width in the masked places.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.plan import Site, is_transposed

Twins = Literal["off", "start", "widen"]
TWINS = ("off", "start", "widen")


def check_twins(sites: tuple[Site, ...], twins: Twins, p: float) -> None:
    """Refuse twins that cannot be, before anything is changed."""
    if twins not in TWINS:
        raise ModelError(f"There is no twin mode {twins!r}; choose one of {', '.join(TWINS)}.")
    if twins == "off":
        return
    if p != 0.5:
        raise ModelError(f"Twin units need p = 0.5, not {p}; change it or use twins='off'.")
    bare = [site.at for site in sites if site.inputs]
    if bare and twins == "start":
        raise ModelError(
            f"{bare[0]} reads its units straight from what comes before, where none can become a "
            "copy of another; use twins='widen'."
        )
    odd = [site.producer for site in sites if site.units % 2]
    if odd and twins == "start":
        raise ModelError(
            f"{odd[0]} has an odd number of units and cannot start as twins; use twins='widen'."
        )


@torch.no_grad()
def make_twins(model: nn.Module, site: Site, twins: Twins) -> int:
    """Give one site twin units; returns how many units it has then."""
    if twins == "off":
        return site.units
    producer = model.get_submodule(site.producer)
    own = site.units if twins == "widen" else site.units // 2
    _set_outputs(producer, own)
    for name in site.consumers:
        consumer = model.get_submodule(name)
        weight = weight_of(consumer)
        # (out, units, positions): a Linear after a flattened map reads several entries a unit.
        grouped = weight.reshape(len(weight), site.units, -1)[:, :own]
        scale = 0.5 if twins == "widen" else 1.0
        twin = torch.cat([grouped, grouped], dim=1) * scale
        inputs = weight.shape[1] * 2 * own // site.units
        set_weight(consumer, twin.reshape(len(weight), inputs, *weight.shape[2:]))
    return 2 * own


def _set_outputs(layer: nn.Module, own: int) -> None:
    weight = weight_of(layer)
    set_weight(layer, torch.cat([weight[:own], weight[:own]]))
    if isinstance(layer.bias, nn.Parameter):
        bias = layer.bias
        layer.bias = nn.Parameter(torch.cat([bias[:own], bias[:own]]), bias.requires_grad)


def set_weight(layer: nn.Module, weight: Tensor) -> None:
    """Put a weight (out, in, ...) of another shape into a layer, and let the layer know."""
    stored = weight.T if is_transposed(layer) else weight
    layer.weight = nn.Parameter(stored.contiguous(), weight_of(layer).requires_grad)
    names = ("out_features", "in_features")
    if isinstance(layer, nn.Conv2d):
        names = ("out_channels", "in_channels")
    elif is_transposed(layer):
        names = ("nf", "nx")
    for name, size in zip(names, weight.shape, strict=False):
        setattr(layer, name, size)


def weight_of(layer: nn.Module) -> Tensor:
    """The weight of a layer, (out, in, ...).

    Raises:
        ModelError: it is neither Linear nor an ungrouped Conv2d, nor GPT-2's Conv1D.
    """
    weight = layer.weight
    kinds = nn.Linear | nn.Conv2d
    if not isinstance(weight, Tensor) or not (isinstance(layer, kinds) or is_transposed(layer)):
        raise ModelError(
            f"{type(layer).__name__} cannot hold twin units; only Linear and Conv2d can."
        )
    if isinstance(layer, nn.Conv2d) and layer.groups != 1:
        raise ModelError("A grouped convolution cannot hold twin units; use twins='off'.")
    return weight.T if is_transposed(layer) else weight
