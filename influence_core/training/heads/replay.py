"""A head's training run backwards: the exact first-order effect of every row's weight on a loss.

Training is a deterministic function of the row weights w: start, masks and batch order are fixed.
So d loss_t / d w_i of a target t can be had by reverse differentiation through every step of Adam
(Maclaurin, Duvenaud & Adams 2015; as attribution: MAGIC, Ilyas & Engstrom 2025, arXiv 2504.16430).
The head has one hidden layer, so the second derivatives are written out and no graph is kept.

The pass needs the state (θ, m, v) before and after each step. `Tape` trains again and keeps what
fits its room (Griewank & Walther 2000). Members never look at each other, so they come in shares.

Called by `influence.estimators.replay`; tests hold it against autograd through an unrolled training
and against finite differences of the row weights.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from influence_core.errors import ModelError
from influence_core.progress import check_cancel
from influence_core.training.heads.loop import HeadLoop, OptimiserState
from influence_core.training.heads.steps import classes_softmax
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, hidden, member_masks

BETA1, BETA2 = 0.9, 0.999  # of torch.optim.Adam, as `HeadLoop` makes it
ANCHOR = 16  # steps between two kept states, at least

Params = tuple[Tensor, Tensor, Tensor]  # W1 (E, d, H), b1 (E, H), W2 (E, H, C) or shaped like them


@dataclass(frozen=True)
class State:
    """Where the training stands after `step` steps: parameters and both moments of Adam."""

    step: int
    params: Params
    first: Params
    second: Params


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


@dataclass(frozen=True)
class Batch:
    """One step's rows: x (B, d), labels (B,), masks (E, B, H), and each row's factor of its loss.

    `unit` is d scale / d w: what one unit of a row's weight adds to the batch's loss.
    """

    x: Tensor
    labels: Tensor
    masks: Tensor
    scale: Tensor  # (B,)
    unit: float


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
    delta[:, torch.arange(len(x)), labels] -= 1.0
    delta /= members
    out = delta * weights[:, None, :, None]  # (T, E, B, C)
    z = (out @ W2.mT).mul_(h > 0)  # (T, E, B, H)
    return x.mT @ z, z.sum(2), h.mT @ out


def through_gradient(batch: Batch, params: Params, along: Params) -> tuple[Tensor, Params]:
    """Reverse of g = Σ_b scale_b ∇CE_b(θ), of which `along` V (T, E, …) is the adjoint.

    Returns:
        ⟨V, ∂g/∂w_b⟩ of each member, (T, E, B); and ∇_θ ⟨V, g⟩, (T, E, …).
    """
    W1, b1, W2 = params
    V1, Vb, V2 = along
    x, (T, E) = batch.x, V1.shape[:2]
    B, H, C = len(x), W1.shape[2], W2.shape[2]
    h = hidden(x, W1, b1).mul_(batch.masks)  # (E, B, H): a ⊙ z, the mask is in it
    a = batch.masks * (h > 0)  # dh/dz
    prob = classes_softmax(torch.bmm(h, W2))  # (E, B, C)
    delta = prob.clone()
    delta[:, torch.arange(B), batch.labels] -= 1.0
    # The directional derivative of the logits along V. All products run over T·E heads at once.
    dz = _heads(x, V1).view(T, E, B, H).add_(Vb[:, :, None, :]).mul_(a)
    W2s = W2.expand(T, E, H, C).reshape(T * E, H, C)
    dlogits = torch.bmm(dz.view(T * E, B, H), W2s).view(T, E, B, C)
    dlogits += _along(h, V2)
    share = (delta * dlogits).sum(3) * batch.unit  # (T, E, B)
    # ⟨V, g⟩ = Σ_b scale_b ⟨δ_b, dlogits_b⟩; by the logits, δ moves as p(dlogits − ⟨p, dlogits⟩).
    scale = batch.scale[:, None]
    Q = prob * (dlogits - (prob * dlogits).sum(3, keepdim=True)) * scale  # (T, E, B, C)
    D = (delta * scale).expand(T, E, B, C)
    # Z = (Q W2ᵀ + D V2ᵀ) ⊙ a in one product over both.
    both = torch.cat([Q, D], 3).view(T * E, B, 2 * C)
    Z = torch.bmm(both, torch.cat([W2s, V2.reshape(T * E, H, C)], 2).mT).view(T, E, B, H).mul_(a)
    grad_W2 = torch.bmm(dz.view(T * E, B, H).mT, D.reshape(T * E, B, C)).view(T, E, H, C)
    grad_W2 += _along(h.mT, Q)
    return share, (_heads(x.mT, Z), Z.sum(2), grad_W2)


def _heads(x: Tensor, many: Tensor) -> Tensor:
    """x (n, k) times each of (T, E, k, m): (T, E, n, m), without copies of x."""
    T, E, k, m = many.shape
    return torch.bmm(x.expand(T * E, -1, -1), many.reshape(T * E, k, m)).view(T, E, len(x), m)


def _along(left: Tensor, many: Tensor) -> Tensor:
    """(E, n, k) times (T, E, k, C): (T, E, n, C), one product a member for all targets."""
    T, E, k, C = many.shape
    out = torch.bmm(left, many.permute(1, 2, 0, 3).reshape(E, k, T * C))
    return out.view(E, -1, T, C).permute(2, 0, 1, 3)


def through_adam(adjoint: Adjoint, before: State, after: State, training: HeadTraining) -> Params:
    """Reverse of one step of Adam, in place; gives the gradient's adjoint V, (T, E, …).

    θ' = θ − lr · (m'/c1) / u with u = sqrt(v'/c2) + eps, m' = β1 m + (1 − β1) g, and
    v' = β2 v + (1 − β2) g², c = 1 − β^t (Kingma & Ba 2015).
    """
    c1, c2 = 1.0 - BETA1**after.step, 1.0 - BETA2**after.step
    lr, eps = training.learning_rate, training.eps
    out = []
    for theta, m_bar, v_bar, old, m, v in zip(
        adjoint.params, adjoint.first, adjoint.second, before.first, after.first, after.second,
        strict=True,
    ):  # fmt: skip
        root = (v / c2).sqrt()
        u = root + eps
        slope = torch.where(root > 0, lr * m / (2.0 * c1 * c2 * u.square() * root), 0.0)
        m_bar.addcmul_(theta, -lr / (c1 * u))
        v_bar.addcmul_(theta, slope)
        g = (m - BETA1 * old) / (1.0 - BETA1)
        out.append((1.0 - BETA1) * m_bar + 2.0 * (1.0 - BETA2) * g * v_bar)
        m_bar.mul_(BETA1)
        v_bar.mul_(BETA2)
    V1, Vb, V2 = out
    return V1, Vb, V2


class Tape:
    """A training that can be gone through backwards, for a share of the members.

    It trains again once and keeps the gradient of every step; `ANCHOR` steps from a kept state are
    then repeated by Adam alone, to the bit. Steps whose gradients do not fit are trained again.

    Args:
        rows: ungrouped; with (N, 1) weights if the rows were weighted.
        training: with a fixed number of epochs.
        members: the share.
        room: bytes that states and gradients may take.
    """

    def __init__(
        self, rows: Rows, config: HeadConfig, training: HeadTraining, members: range, room: int
    ) -> None:
        self.loop = HeadLoop(rows, config, training, members)
        self.batches = step_rows(self.loop, training)
        self.every = max(ANCHOR, round(len(self.batches) ** 0.5))
        size = 4 * sum(t.numel() for t in self.loop.params)  # bytes of one gradient
        states = -(-len(self.batches) // self.every) + self.every
        self.kept_steps = max(0, (room - 3 * size * states) // size)
        self.anchors: list[State] = []
        self.gradients: dict[int, Params] = {}
        self.last: Params | None = None

    @property
    def whole(self) -> bool:
        """Whether all gradients fit, so that one training serves any number of passes."""
        return len(self.batches) <= self.kept_steps

    def end(
        self,
        *,
        told: Callable[[int], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Params:
        """Train again, if that was not done yet; the parameters at the end.

        Args:
            told: called with the number of steps made.
        """
        if self.last is None:
            if self.anchors:  # it was cancelled on its way
                self.loop.go_on_from(self.anchors[0].params, None)
            self.anchors, self.gradients = [], {}
            # The last steps are kept: a pass begins with them.
            first = len(self.batches) - self.kept_steps
            for step, index in enumerate(self.batches):
                check_cancel(cancel)
                if step % self.every == 0:
                    self.anchors.append(self._state(step))
                self.loop.step(index)
                if step >= first:
                    self.gradients[step] = self.loop.last_gradients()
                if told:
                    told(step + 1)
            self.last = self._state(len(self.batches)).params
        return self.last

    def backwards(
        self, cancel: threading.Event | None = None
    ) -> Iterator[tuple[State, State, Batch, Tensor]]:
        """From the last step to the first: state before, after, the batch, and which rows."""
        self.end(cancel=cancel)
        for anchor in reversed(self.anchors):
            states = self._from(anchor, cancel)
            for before, after in zip(states[-2::-1], states[:0:-1], strict=True):
                index = self.batches[before.step]
                yield before, after, self._batch(index), index

    def _from(self, anchor: State, cancel: threading.Event | None) -> list[State]:
        """The states from an anchor to the next, both included."""
        moments = OptimiserState(float(anchor.step), anchor.first, anchor.second)
        self.loop.go_on_from(anchor.params, moments if anchor.step else None)
        states = [anchor]
        for step in range(anchor.step, min(anchor.step + self.every, len(self.batches))):
            check_cancel(cancel)
            if step in self.gradients:
                self.loop.step_along(self.gradients[step])
            else:
                self.loop.step(self.batches[step])
            states.append(self._state(step + 1))
        return states

    def _batch(self, index: Tensor) -> Batch:
        loop = self.loop
        here = index.to(loop.device)
        unit = 1.0 / len(index)
        scale = torch.full((len(index),), unit, device=loop.device)
        if loop.weights is not None and loop.mean_weight is not None:
            unit /= float(loop.mean_weight)
            scale = loop.weights[here, 0] * unit
        masks = member_masks(loop.keys[here], loop.config, members=loop.members)
        return Batch(loop.rows.features.rows(index), loop.labels[here], masks, scale, unit)

    def _state(self, step: int) -> State:
        W1, b1, W2 = (t.clone() for t in self.loop.params)
        if step == 0:
            zero = (torch.zeros_like(W1), torch.zeros_like(b1), torch.zeros_like(W2))
            return State(0, (W1, b1, W2), zero, zero)
        adam = self.loop.optimiser_state()
        m1, mb, m2 = (t.clone() for t in adam.first)
        v1, vb, v2 = (t.clone() for t in adam.second)
        return State(step, (W1, b1, W2), (m1, mb, m2), (v1, vb, v2))


def step_rows(loop: HeadLoop, training: HeadTraining) -> list[Tensor]:
    """Which rows each step of the whole training takes, in the run's own order."""
    if training.epochs is None:
        raise ModelError("Only a training of a known number of epochs can be replayed.")
    return [part for _ in range(training.epochs) for part in loop.next_order().split(loop.batch)]


@torch.no_grad()
def weight_gradients(
    tape: Tape,
    x: Tensor,
    labels: Tensor,
    weights: Tensor,
    *,
    told: Callable[[int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Tensor:
    """d (Σ_b weights_tb · loss_b) / d w_i through the whole training, each member's part (T, E, N).

    The loss is the mean over all members, so the sum over them is its derivative; a tape of a share
    of the members gives their parts.

    Args:
        x: (B, d) target features. labels: (B,). weights: (T, B), one combination of targets a row.
        told: called with the number of steps gone through.
    """
    loop, n = tape.loop, len(tape.loop.rows.features)
    end = tape.end(cancel=cancel)
    adjoint = Adjoint.of(loss_gradients(x, labels, weights, end, loop.config.members))
    out = torch.zeros(len(weights), len(loop.members), n, device=x.device)
    decay = loop.training.weight_decay
    for done, (before, after, batch, index) in enumerate(tape.backwards(cancel), 1):
        check_cancel(cancel)
        along = through_adam(adjoint, before, after, loop.training)
        shares, grads = through_gradient(batch, before.params, along)
        out[:, :, index.to(out.device)] += shares
        for theta, grad, v in zip(adjoint.params, grads, along, strict=True):
            theta.add_(grad)
            if decay:  # torch's Adam adds decay · θ to the gradient
                theta.add_(v, alpha=decay)
        if told:
            told(done)
    # A weight also counts in the mean that all are divided by (`HeadLoop.mean_weight`).
    rows = loop.rows.weights
    inside = torch.ones(n, 1) if rows is None else rows
    inside = inside.to(out)[:, 0]
    return out - (out @ inside / inside.sum())[..., None]
