"""The slow, obvious version of `training.heads.replay`: autograd through the unrolled training."""

import torch

from influence_core.turnover.head import initial_weights, member_masks


def unrolled(x, labels, keys, order, config, training, weights, unlearned=None):
    """Parameters after all steps, float64, as a differentiable function of the weights (N,).

    `order`: the rows of each step. Members never look at each other, so their losses are summed.
    `unlearned` (N,): how much each row pulls by half of what it would pull more, had its residual
    been the flipped side's all the time; zeros, by which one may differentiate.
    """
    params = [t.double().requires_grad_() for t in initial_weights(config)]
    m = [torch.zeros_like(t) for t in params]
    v = [torch.zeros_like(t) for t in params]
    for step, index in enumerate(order, 1):
        W1, b1, W2 = params
        mask = member_masks(keys[index], config).double()
        h = torch.relu(torch.einsum("bd,edh->ebh", x[index], W1) + b1[:, None])
        full = torch.einsum("ebh,ehc->ebc", h, W2)
        logits = torch.einsum("ebh,ehc->ebc", h * mask, W2)
        chance = torch.log_softmax(logits, -1)
        loss = -chance[:, torch.arange(len(index)), labels[index]]
        scale = weights[index] / weights.mean() / len(index)
        total = (loss * scale).sum()
        if unlearned is not None:
            more = torch.softmax(full / config.p - logits, -1) - chance.exp()
            pull = (more.detach() / 2 * logits).sum(-1)
            total = total + (pull * unlearned[index] / weights.mean() / len(index)).sum()
        grads = torch.autograd.grad(total, params, create_graph=True)
        grads = [g + training.weight_decay * t for g, t in zip(grads, params, strict=True)]
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads, strict=True)]
        v = [0.999 * a + 0.001 * g**2 for a, g in zip(v, grads, strict=True)]
        # The square root has no derivative at 0: what no row has touched yet stays where it is.
        params = [
            t - training.learning_rate / (1 - 0.9**step) * a
            / ((torch.where(b > 0, b, 1.0) / (1 - 0.999**step)).sqrt() + training.eps) * (b > 0)
            for t, a, b in zip(params, m, v, strict=True)
        ]  # fmt: skip
    return params


def target_losses(params, x, labels):
    """Mean over members of the full network's cross-entropy, (T,)."""
    W1, b1, W2 = params
    h = torch.relu(torch.einsum("bd,edh->ebh", x, W1) + b1[:, None])
    chance = torch.log_softmax(torch.einsum("ebh,ehc->ebc", h, W2), -1)
    return -chance[:, torch.arange(len(x)), labels].mean(0)


def weight_gradients(
    x, labels, keys, order, config, training, targets, target_labels, whole_rows=False
):
    """(T, N): d loss_t / d w_i by autograd; of whole rows with both sides' mean residual."""
    weights = torch.ones(len(x), dtype=torch.float64, requires_grad=True)
    unlearned = torch.zeros(len(x), dtype=torch.float64, requires_grad=True)
    params = unrolled(x.double(), labels, keys, order, config, training, weights, unlearned)
    losses = target_losses(params, targets.double(), target_labels)
    by = [torch.autograd.grad(loss, (weights, unlearned), retain_graph=True) for loss in losses]
    return torch.stack([slope + more if whole_rows else slope for slope, more in by])
