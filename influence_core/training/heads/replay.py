"""A head's training run backwards: the exact first-order effect of every row's weight on a loss.

Training is a deterministic function of the row weights w: start, masks and batch order are fixed.
So d loss_t / d w_i of a target t can be had by reverse differentiation through every step of Adam
(Maclaurin, Duvenaud & Adams 2015; as attribution: MAGIC, Ilyas & Engstrom 2025, arXiv 2504.16430).
The head has one hidden layer, so the second derivatives are written out and no graph is kept.

A derivative tells what a little less of a row does, and leaving it out is not a little: from weight
1 to 0 its residual grows from that of a network which learned it to that of one which never saw it.
The flipped side is such a network at every step, so the mean of both residuals integrates over the
weight by the trapezoid rule (`weight_gradients`, `whole_rows`): second order, in the same pass.

The pass needs every step's batch and moments, from a `Tape`. Members never look at
each other, so they come in shares.

Called by `influence.estimators.replay`; tests hold it against autograd through an unrolled training
and against finite differences of the row weights.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from influence_core.models.device import sent
from influence_core.progress import check_cancel
from influence_core.training.heads.adam import BETA1, BETA2
from influence_core.training.heads.steps import classes_softmax
from influence_core.training.heads.tape import Batch, Params, Step, Tape
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import hidden

FEW = 64  # classes; of more, matrix products are faster than what is compiled


@dataclass(frozen=True)
class Adjoint:
    """Derivatives of T losses by the parameters and both moments, each shaped (T, E, …)."""

    params: Params
    first: Params
    second: Params

    @classmethod
    def of(cls, params: Params) -> "Adjoint":
        """At the end of training: nothing flows from the moments yet."""
        W1, b1, W2 = (torch.zeros_like(t) for t in params)
        v1, vb, v2 = (torch.zeros_like(t) for t in params)
        return cls(params, (W1, b1, W2), (v1, vb, v2))


def loss_gradients(
    x: Tensor, labels: Tensor, weights: Tensor, params: Params, members: int
) -> Params:
    """∂ Σ_b weights_tb · loss_b / ∂θ, (T, E, …); a loss is the mean over `members` full networks.

    Args:
        x: (B, d) of the targets. labels: (B,). weights: (T, B), one combination a row.
        params: at the end of the training.
    """
    W1, b1, W2 = params
    h = hidden(x, W1, b1)  # (E, B, H)
    delta = classes_softmax(torch.bmm(h, W2))  # (E, B, C)
    delta[:, torch.arange(len(x), device=x.device), labels] -= 1.0
    delta /= members
    z = torch.bmm(delta, W2.mT).mul_(h > 0)  # (E, B, H)
    out = tuple(t.new_empty(len(weights), *t.shape) for t in params)
    # Of many targets, a combination has few.
    counts = (weights != 0).sum(1).tolist()
    parts = weights.nonzero()[:, 1].split(counts)
    for own, used, W1_bar, b1_bar, W2_bar in zip(weights, parts, *out, strict=True):
        factor = own[used, None]
        z_own = z[:, used] * factor
        W1_bar.copy_(x[used].mT @ z_own)
        b1_bar.copy_(z_own.sum(1))
        W2_bar.copy_(h[:, used].mT @ (delta[:, used] * factor))
    W1_bar, b1_bar, W2_bar = out
    return W1_bar, b1_bar, W2_bar


def through_gradient(step: Step, onto: Params, along: Params) -> tuple[Tensor, Tensor]:
    """Reverse of g = Σ_b scale_b ∇CE_b(θ), of which `along` V (T, E, …) is the adjoint.

    Args:
        onto: to which ∇_θ ⟨V, g⟩ is added, (T, E, …).

    Returns:
        ⟨V, ∂g/∂w_b⟩ of each member, (T, E, B); the same with the residuals of the flipped side, had
        the row never been learned.
    """
    batch, h, W2 = step.batch, step.seen.h, step.W2
    V1, Vb, V2 = along
    x, (T, E) = batch.x, V1.shape[:2]
    B, H, C = len(x), W2.shape[1], W2.shape[2]
    learned = _narrow(h, W2)
    prob = classes_softmax(learned)  # (E, B, C)
    delta, unseen = prob.clone(), classes_softmax(step.seen.full / batch.p - learned)
    for residual in (delta, unseen):
        residual[:, torch.arange(B, device=x.device), batch.labels] -= 1.0
    # Both wide products run over T·E heads at once. Of few classes, what lies between is compiled.
    dz = torch.bmm(x.expand(T * E, B, -1), V1.reshape(T * E, -1, H)).view(T, E, B, H)
    if x.device.type == "cpu" and C <= FEW:
        from influence_core.training.heads.replay_numba import between as middle
    else:
        middle = between
    told = middle(dz, h, W2, (Vb, V2), onto[1:], (prob, delta, unseen), batch)
    onto[0].view(T * E, -1, H).baddbmm_(x.mT.expand(T * E, -1, -1), dz.view(T * E, B, H))
    share, absent = (part * batch.unit for part in told)
    return share, absent


def between(
    dz: Tensor,
    h: Tensor,
    W2: Tensor,
    along: tuple[Tensor, Tensor],
    onto: tuple[Tensor, Tensor],
    residuals: tuple[Tensor, Tensor, Tensor],
    batch: Batch,
) -> tuple[Tensor, Tensor]:
    """From x V1 to Z, in place, and what goes to the second layer; see `replay_numba.between`."""
    (T, E, B, H), C = dz.shape, W2.shape[2]
    (Vb, V2), (prob, delta, unseen) = along, residuals
    # The directional derivative of the logits along V.
    # dh/dz = 1/p where a unit is active, that is h > 0; 1/p is put to the narrower factors.
    active = h.expand(T, E, B, H)
    moved = torch.ops.aten.threshold_backward(dz + Vb[:, :, None], active, 0.0)
    heads = moved.view(T * E, B, H)
    factor, p = batch.scale[:, None], batch.p
    W2s = (W2 / p).expand(T, E, H, C).reshape(T * E, H, C)
    dlogits = _narrow(heads, W2s).view(T, E, B, C)
    dlogits += _along(h, V2)
    # ⟨V, g⟩ = Σ_b scale_b ⟨δ_b, dlogits_b⟩; by the logits, δ moves as p(dlogits − ⟨p, dlogits⟩).
    Q = prob * (dlogits - (prob * dlogits).sum(3, keepdim=True)) * factor  # (T, E, B, C)
    D = (delta * (factor / p)).expand(T, E, B, C)
    # Z = (Q W2ᵀ + D V2ᵀ) ⊙ a in one product over both.
    both = torch.cat([Q, D], 3).view(T * E, B, 2 * C)
    Z = torch.bmm(both, torch.cat([W2s, V2.reshape(T * E, H, C)], 2).mT).view(T, E, B, H)
    dz.copy_(torch.ops.aten.threshold_backward(Z, active, 0.0))
    b1_bar, W2_bar = onto
    b1_bar += dz.sum(2)
    W2_bar += _narrow(heads.mT, D.reshape(T * E, B, C)).view(T, E, H, C)
    W2_bar += _along(h.mT, Q)
    return (delta * dlogits).sum(3), (unseen * dlogits).sum(3)


def _narrow(left: Tensor, right: Tensor) -> Tensor:
    """left @ right of a few columns: a third of the time as a product of their transposes."""
    return torch.bmm(right.mT, left.mT).mT


def _along(left: Tensor, many: Tensor) -> Tensor:
    """(E, n, k) times (T, E, k, C): (T, E, n, C), one product a member for all targets."""
    T, E, k, C = many.shape
    out = _narrow(left, many.permute(1, 2, 0, 3).reshape(E, k, T * C))
    return out.view(E, -1, T, C).permute(2, 0, 1, 3)


def through_adam(adjoint: Adjoint, step: Step, training: HeadTraining) -> Params:
    """Reverse of one step of Adam, in place; gives the gradient's adjoint V, (T, E, …).

    θ' = θ − lr · (m'/c1) / u with u = sqrt(v'/c2) + eps, m' = β1 m + (1 − β1) g, and
    v' = β2 v + (1 − β2) g², c = 1 − β^t (Kingma & Ba 2015). On the CPU by a compiled loop that
    reads each number once; what both do is written out in `step_by_tensors`.
    """
    corrections = 1.0 - BETA1**step.number, 1.0 - BETA2**step.number
    if step.first[0].device.type == "cpu":
        from influence_core.training.heads.adam_numba import through_step
    else:
        through_step = step_by_tensors
    moving = zip(
        adjoint.params, adjoint.first, adjoint.second, step.before, step.first, step.second,
        strict=True,
    )  # fmt: skip
    settings = training.learning_rate, training.eps, *corrections
    V1, Vb, V2 = (
        through_step(theta, m_bar, v_bar, old, m, v, settings)
        for theta, m_bar, v_bar, old, m, v in moving
    )
    return V1, Vb, V2


def step_by_tensors(
    theta: Tensor, m_bar: Tensor, v_bar: Tensor, old: Tensor, m: Tensor, v: Tensor,
    step: tuple[float, float, float, float],
) -> Tensor:  # fmt: skip
    """What `adam_numba.through_step` does, on any device."""
    lr, eps, c1, c2 = step
    root = (v / c2).sqrt()
    u = root + eps
    slope = torch.where(root > 0, lr * m / (2.0 * c1 * c2 * u.square() * root), 0.0)
    m_bar.addcmul_(theta, -lr / (c1 * u))
    v_bar.addcmul_(theta, slope)
    g = (m - BETA1 * old) / (1.0 - BETA1)
    along = (1.0 - BETA1) * m_bar + 2.0 * (1.0 - BETA2) * g * v_bar
    m_bar.mul_(BETA1)
    v_bar.mul_(BETA2)
    return along


@torch.no_grad()
def weight_gradients(
    tape: Tape,
    x: Tensor,
    labels: Tensor,
    weights: Tensor,
    *,
    whole_rows: bool = False,
    told: Callable[[int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Tensor:
    """d (Σ_b weights_tb · loss_b) / d w_i through the whole training, each member's part (T, E, N).

    The loss is the mean over all members, so the sum over them is its derivative; a tape of a share
    of the members gives their parts.

    Args:
        x: (B, d) target features. labels: (B,). weights: (T, B), one combination of targets a row.
        whole_rows: the mean slope on a row's way out of the training instead of the derivative,
            which is the slope at its beginning.
        told: called with the number of steps gone through.
    """
    loop, n = tape.loop, len(tape.loop.rows.features)
    end = tape.end(cancel=cancel)
    adjoint = Adjoint.of(loss_gradients(x, labels, weights, end, loop.config.members))
    out = torch.zeros(len(weights), len(loop.members), n, device=x.device)
    # A weight also counts in the mean that all are divided by (`HeadLoop.mean_weight`).
    inside = out.new_ones(n, 1) if loop.rows.weights is None else loop.rows.weights
    inside = inside.to(out)[:, 0]
    mean = torch.zeros_like(out[..., :1])
    decay = loop.training.weight_decay
    for done, step in enumerate(tape.backwards(cancel), 1):
        check_cancel(cancel)
        along = through_adam(adjoint, step, loop.training)
        share, absent = through_gradient(step, adjoint.params, along)
        here = sent(step.batch.index, out.device)
        mean += (share @ inside[here])[..., None] / inside.sum()
        out[:, :, here] += (share + absent) / 2 if whole_rows else share
        if decay:  # torch's Adam adds decay · θ to the gradient
            for theta, v in zip(adjoint.params, along, strict=True):
                theta.add_(v, alpha=decay)
        if told:
            told(done)
    return out - mean
