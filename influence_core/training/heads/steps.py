"""The arithmetic of one step of training, and both sides of a batch, for all members at once.

Pure functions of tensors; `heads` keeps the state, `influence.sides` reads trained heads with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from influence_core.turnover.head import HeadConfig, hidden, member_masks


@dataclass(frozen=True)
class Forward:
    """What a batch looked like inside, of G·E heads.

    h (G·E, B, H) is under its masks, `full` (G·E, B, C) are the logits of the full network.
    """

    h: Tensor
    full: Tensor


def forward(x: Tensor, masks: Tensor, params: Sequence[Tensor]) -> Forward:
    """A batch x (B, d) through all members under its masks (E, B, H), 0 or 1/p.

    Args:
        params: W1 (G·E, d, H), b1 (G·E, H), W2 (G·E, H, C).
    """
    W1, b1, W2 = params
    heads, members = len(W1), len(masks)
    h = hidden(x, W1, b1)  # (G·E, B, H)
    full = torch.bmm(h, W2)
    h.view(heads // members, members, *h.shape[1:]).mul_(masks)
    return Forward(h, full)


def gradients(
    x: Tensor, labels: Tensor, scale: Tensor, seen: Forward, W2: Tensor, p: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of Σ_b scale_b · CE(logits_b, label_b), each member by itself, like its parameters.

    Args:
        x: (B, d). labels, scale: (G or 1, B). seen: the batch inside. W2: (G·E, H, C).
        p: of the masks.
    """
    h, heads = seen.h, len(W2)
    delta = classes_softmax(torch.bmm(h, W2))  # (G·E, B, C)
    y = labels.repeat_interleave(heads // len(labels), 0)[..., None]
    delta.scatter_add_(2, y, delta.new_full((1, 1, 1), -1.0).expand(*delta.shape[:2], 1))
    delta.mul_(scale.repeat_interleave(heads // len(scale), 0)[..., None])
    grad_W2 = torch.bmm(h.transpose(1, 2), delta)
    # Where h > 0 the unit is active and its mask is 1/p; elsewhere nothing flows.
    back = torch.bmm(delta.div_(p), W2.transpose(1, 2))  # (G·E, B, H)
    back = torch.ops.aten.threshold_backward(back, h, 0.0)
    return torch.bmm(x.T.expand(heads, -1, -1), back), back.sum(1), grad_W2


def classes_softmax(logits: Tensor) -> Tensor:
    """Softmax over a short last dimension: torch's own takes ten times as long there."""
    return torch.softmax(logits.transpose(1, 2).contiguous(), dim=1).transpose(1, 2)


def both_proba(
    x: Tensor,
    keys: Tensor,
    params: Sequence[Tensor],
    config: HeadConfig,
    members: range | None = None,
) -> tuple[Tensor, Tensor]:
    """(E, B, C) class probabilities of the learned and of the flipped side.

    `params` are those of `members`, all by default.
    """
    W1, b1, W2 = params
    h = hidden(x, W1, b1)
    full = torch.bmm(h, W2)
    learned = torch.bmm(h.mul_(member_masks(keys, config, members=members)), W2)
    return classes_softmax(learned), classes_softmax(full / config.p - learned)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the label minus the largest other logit, (B,) (Pleiss et al. 2020, AUM)."""
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], float("-inf")).amax(1)
    return own - others
