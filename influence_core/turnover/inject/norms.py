"""Normalisation layers that mix rows, and a frozen BatchNorm to use instead.

A BatchNorm in train mode computes its statistics over the batch, so every row reaches every
other one's activations and the running averages that the flipped side reads later: nothing is
isolated behind it. GroupNorm and LayerNorm stay within one row.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from influence_core.errors import ModelError


class FrozenBatchNorm(nn.Module):
    """A BatchNorm with its statistics and scale as constants: one scale and shift per channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        if norm.running_mean is None or norm.running_var is None:
            raise ModelError(
                f"{type(norm).__name__} keeps no running statistics, so it cannot be frozen; "
                "replace it by nn.GroupNorm."
            )
        with torch.no_grad():
            scale = torch.rsqrt(norm.running_var + norm.eps)
            if norm.affine:
                scale = scale * norm.weight
            shift = -norm.running_mean * scale
            if norm.affine:
                shift = shift + norm.bias
        self.register_buffer("scale", scale.clone())
        self.register_buffer("shift", shift.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) scaled and shifted channel by channel."""
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return x * self.scale.view(shape) + self.shift.view(shape)


def freeze_batchnorm(model: nn.Module) -> list[str]:
    """Replace every BatchNorm by its frozen self; returns their names.

    Do this to a pretrained network before `inject`; a fresh one has no statistics worth freezing.
    """
    names = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
    for name in names:
        norm = model.get_submodule(name)
        if not isinstance(norm, _BatchNorm):
            continue
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, FrozenBatchNorm(norm))
    return names


def check_supported(model: nn.Module) -> None:
    """Refuse layers behind which nothing can be isolated, naming the first one.

    Raises:
        ModelError: saying why, and what to use instead.
    """
    for name, module in model.named_modules():
        title = f"{name or 'the model'} ({type(module).__name__})"
        if isinstance(module, _BatchNorm):
            raise ModelError(
                f"{title} mixes the rows of a batch through its statistics, so no side is "
                "out-of-sample behind it; use nn.GroupNorm in a fresh network, or "
                "`freeze_batchnorm(model)` on a pretrained one, before injecting."
            )
        if isinstance(module, _InstanceNorm) and module.track_running_stats:
            raise ModelError(
                f"{title} keeps running statistics that every row rewrites; build it with "
                "track_running_stats=False."
            )
        if isinstance(module, nn.AlphaDropout | nn.FeatureAlphaDropout):
            raise ModelError(
                f"{title} fills dropped units with a value that is not zero, so their weights stay "
                "in use on both sides; use nn.Dropout with another activation."
            )
