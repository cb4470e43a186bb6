"""The arithmetic of one step of training, and both sides of a batch, for all members at once.

Pure functions of tensors; `heads` keeps the state, `influence.sides` reads trained heads with them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from influence_core.turnover.head import HeadConfig, hidden, member_masks


def gradients(
    x: Tensor, labels: Tensor, scale: Tensor, masks: Tensor, params: Sequence[Tensor], p: float
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Gradients of Σ_b scale_b · CE(logits_b, label_b), each member by itself.

    Args:
        x: (B, d). labels, scale: (G or 1, B). masks: (E, B, H), 0 or 1/p.
        params: W1 (G·E, d, H), b1 (G·E, H), W2 (G·E, H, C). p: of the masks.

    Returns:
        Their gradients, and the full network's logits (G·E, B, C).
    """
    W1, b1, W2 = params
    heads, members = len(W1), len(masks)
    h = hidden(x, W1, b1)  # (G·E, B, H)
    full = torch.bmm(h, W2)
    h.view(heads // members, members, *h.shape[1:]).mul_(masks)
    delta = classes_softmax(torch.bmm(h, W2))  # (G·E, B, C)
    y = labels.repeat_interleave(heads // len(labels), 0)[..., None]
    delta.scatter_add_(2, y, delta.new_full((1, 1, 1), -1.0).expand(*delta.shape[:2], 1))
    delta.mul_(scale.repeat_interleave(heads // len(scale), 0)[..., None])
    grad_W2 = torch.bmm(h.transpose(1, 2), delta)
    # Where h > 0 the unit is active and its mask is 1/p; elsewhere nothing flows.
    back = torch.bmm(delta.div_(p), W2.transpose(1, 2))  # (G·E, B, H)
    back = torch.ops.aten.threshold_backward(back, h, 0.0)
    grad_W1 = torch.bmm(x.T.expand(heads, -1, -1), back)
    return (grad_W1, back.sum(1), grad_W2), full


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
