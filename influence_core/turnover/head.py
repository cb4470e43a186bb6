"""The turn-over head: E small networks side by side on one frozen encoder.

h = relu(x W1 + b1), logits = (m ⊙ h) W2, no last bias: with one masked hidden layer every
parameter that the flipped side of a row reads took no gradient from it.
Each member has its own mask stream; their mean is the prediction, their spread the standard error.

*Twin start*: unit k and unit k + H/2 begin with the same weights and always carry opposite bits,
so both sides of a row are exactly half the width and equal before training.

The functions below are the mathematics, tensors in and tensors out; `TurnoverHead` only holds the
parameters. `training.heads` trains it, `influence` reads it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.turnover.masks import layer_values, own_units


@dataclass(frozen=True)
class HeadConfig:
    """Shape and mask seed of a head: d features, C classes, E members of H hidden units."""

    features: int
    classes: int
    members: int = 16
    width: int = 256
    p: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("features", "classes", "members", "width"):
            if getattr(self, name) < 1:
                raise ModelError(f"A head needs {name} >= 1, not {getattr(self, name)}.")
        own_units(self.width, self.p, self.twin)

    @property
    def twin(self) -> bool:
        """Twin start is on wherever it is defined: p = 0.5 and an even width."""
        return self.p == 0.5 and self.width % 2 == 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for `run.json`."""
        return asdict(self)


class TurnoverHead(nn.Module):
    """Stacked members: `W1` (E, d, H), `b1` (E, H), `W2` (E, H, C)."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        W1, b1, W2 = initial_weights(config)
        self.W1 = nn.Parameter(W1)
        self.b1 = nn.Parameter(b1)
        self.W2 = nn.Parameter(W2)

    def hidden(self, x: Tensor) -> Tensor:
        """(B, d) features to (E, B, H) activations, shared by all rows' masks."""
        return hidden(x, self.W1, self.b1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, d) features to the full network's logits, (E, B, C)."""
        return torch.bmm(self.hidden(x), self.W2)

    def learned(self, x: Tensor, keys: Tensor) -> Tensor:
        """Logits (E, B, C) of row b under the mask of keys[b]."""
        masks = member_masks(keys, self.config).to(x.dtype)
        return torch.bmm(self.hidden(x) * masks, self.W2)

    def flipped(self, x: Tensor, keys: Tensor) -> Tensor:
        """Logits (E, B, C) of row b under the flipped mask of keys[b]: full/p − learned."""
        masks = member_masks(keys, self.config, flipped=True).to(x.dtype)
        return torch.bmm(self.hidden(x) * masks, self.W2)

    def both(self, x: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """(learned, flipped) logits in one pass: the flipped side in closed form."""
        h = self.hidden(x)
        learned = torch.bmm(h * member_masks(keys, self.config).to(x.dtype), self.W2)
        return learned, torch.bmm(h, self.W2) / self.config.p - learned


def initial_weights(config: HeadConfig) -> tuple[Tensor, Tensor, Tensor]:
    """He-normal start, twins equal, each member from its own generator seed."""
    own = own_units(config.width, config.p, config.twin)
    repeat = config.width // own
    W1, W2 = [], []
    for member in range(config.members):
        # One generator a member: member e starts the same however many others there are.
        rng = torch.Generator().manual_seed((config.seed * 1_000_003 + member) % 2**63)
        first = torch.randn(config.features, own, generator=rng) * (2.0 / config.features) ** 0.5
        last = torch.randn(own, config.classes, generator=rng) * (1.0 / config.width) ** 0.5
        W1.append(first.repeat(1, repeat))
        W2.append(last.repeat(repeat, 1))
    return torch.stack(W1), torch.zeros(config.members, config.width), torch.stack(W2)


def hidden(x: Tensor, W1: Tensor, b1: Tensor) -> Tensor:
    """relu(x W1 + b1) for all members: (B, d), (E, d, H), (E, H) to (E, B, H)."""
    members = W1.shape[0]
    return torch.baddbmm(b1[:, None, :], x.expand(members, -1, -1), W1).relu_()


def member_masks(
    keys: Tensor,
    config: HeadConfig,
    *,
    flipped: bool = False,
    out: Tensor | None = None,
    members: range | None = None,
) -> Tensor:
    """Scaled masks (E, B, H) float32 of these members (by default all): 0 or 1/p."""
    members = range(config.members) if members is None else members
    shape = (len(members), len(keys), config.width)
    if keys.device.type == "cpu":
        from influence_core.turnover.masks_numba import fill_masks

        buffer = torch.empty(shape) if out is None else out
        fill_masks(
            buffer.numpy(),
            keys.numpy().view("uint64"),
            seed=config.seed,
            layers=members,
            p=config.p,
            twin=config.twin,
            flipped=flipped,
        )
        return buffer
    on, off = (0.0, 1.0 / config.p) if flipped else (1.0 / config.p, 0.0)
    own = own_values(keys, config, on, off, members)
    return torch.cat([own, on + off - own], dim=2) if config.twin else own


def own_values(
    keys: Tensor, config: HeadConfig, on: float, off: float, members: range | None = None
) -> Tensor:
    """`on` or `off` for the units that draw bits of their own, (E, B, own) float32."""
    members = range(config.members) if members is None else members
    own = own_units(config.width, config.p, config.twin)
    return layer_values(
        keys, own, seed=config.seed, layers=members, p=config.p, on=float(on), off=float(off)
    )
