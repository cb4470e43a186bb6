"""The paper's estimator: flipped loss minus learned loss, for all rows at once.

I(z_t, z_i) = L(f^m̃(z_i), z_t) − L(f^m(z_i), z_t), averaged over the members of a head; the spread
over members gives the standard error (Kobayashi et al. 2020, eq. 8). The hidden activations of the
target are shared by all rows, so a row's learned logits are a sum of table entries, one for each
nibble of its mask, and its flipped logits are full/p − learned. No mask is ever stored.

`scan_kernels` and `batch_kernels` hold the compiled loops; the torch path serves other devices, in
float32: bfloat16 products round the logits, which changes scores by a fifth of their size and two
of the first twenty rows (`python -m benchmarks.precision`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from influence_core.influence.base import (
    NO_SETTINGS,
    Estimator,
    Evidence,
    HeadWeights,
    Query,
    Scores,
    Settings,
    Targets,
    need_head,
)
from influence_core.turnover.head import hidden, own_values
from influence_core.turnover.masks import own_units

if TYPE_CHECKING:  # compiled code is loaded by who runs it
    from influence_core.influence.kernels.one_item import TargetTables

# Fewer targets than this are scored one by one: a batch fills eight vector lanes anyway.
_BATCH = 4
_TORCH_FLOATS = 1 << 26  # floats of unpacked masks and logits held at a time on other devices


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    head: HeadWeights

    def query(self, targets: Targets) -> Query:
        h = hidden(targets.features, self.head.W1, self.head.b1)  # (E, T, H)
        if h.device.type == "cpu":
            return _CompiledQuery(self.evidence.keys, self.head, h, targets.labels)
        return _TorchQuery(self.evidence.keys, self.head, h, targets.labels)


class _CompiledQuery:
    """The compiled loops: a batch for targets of moderate logits, one by one for the others."""

    def __init__(self, keys: Tensor, head: HeadWeights, h: Tensor, labels: Tensor) -> None:
        from influence_core.influence.kernels.many_items import MOST_CLASSES, TargetBatch
        from influence_core.influence.kernels.mask_words import MaskStream

        config = head.config
        self.keys = keys.numpy().view(np.uint64)
        self.stream = MaskStream.of(config)
        W2 = np.ascontiguousarray(head.W2.numpy())
        own = self.stream.own
        batch = TargetBatch(h.numpy(), W2, labels.numpy(), own, config.p)
        self.together = np.zeros(len(labels), dtype=bool)
        if len(labels) >= _BATCH and config.classes <= MOST_CLASSES:
            self.together = batch.moderate()
        chosen = self.together
        self.batch = TargetBatch(batch.hidden[:, chosen], W2, batch.labels[chosen], own, config.p)
        self.h, self.head, self.labels = h, head, labels
        self.alone = [int(t) for t in np.flatnonzero(~chosen)]
        few = self.alone if len(self.alone) < _BATCH else []
        self.ready = {t: self._tables(t) for t in few}

    def _tables(self, t: int) -> "TargetTables":
        from influence_core.influence.kernels.one_item import TargetTables

        units = relative_units(self.h[:, t], self.head, int(self.labels[t]))
        return TargetTables.of(units.numpy(), self.stream.words)

    def scores(self, rows: slice) -> Scores:
        words = self.stream.of_keys(self.keys[rows])
        shape = (len(self.together), words.shape[2])
        scores, stderr = np.empty(shape, np.float32), np.empty(shape, np.float32)
        if self.together.all():
            scores, stderr = self.batch.scores(words)
        elif self.together.any():
            scores[self.together], stderr[self.together] = self.batch.scores(words)
        for t in self.alone:
            # Tables of many targets are made again for each chunk: together they would not fit.
            tables = self.ready.get(t) or self._tables(t)
            scores[t], stderr[t] = tables.scores(words)
        return Scores(torch.from_numpy(scores), torch.from_numpy(stderr))


@dataclass(frozen=True)
class _TorchQuery:
    keys: Tensor
    head: HeadWeights
    h: Tensor  # (E, T, H)
    labels: Tensor  # (T,)

    def scores(self, rows: slice) -> Scores:
        return torch_scores(self.keys[rows], self.head, self.h, self.labels)


def relative_units(h: Tensor, head: HeadWeights, label: int) -> Tensor:
    """What one target's units add, relative to its label: (E, H) to (E, 1 + own, C - 1).

    Row 0 is learned plus flipped logits; the others are half of what each own unit's bit changes.
    """
    config = head.config
    others = [c for c in range(config.classes) if c != label]
    relative = head.W2[..., others] - head.W2[..., label : label + 1]
    a = h[..., None] * relative / config.p  # (E, H, C - 1)
    own = own_units(config.width, config.p, config.twin)
    half = a[:, :own] / 2
    if config.twin:  # a twin is on exactly when its partner is off
        half = half - a[:, own:] / 2
    return torch.cat([a.sum(1, keepdim=True), half], dim=1)


def torch_scores(keys: Tensor, head: HeadWeights, h: Tensor, labels: Tensor) -> Scores:
    """The same scores by unpacked masks and one product a member: any device, and the oracle.

    Args:
        keys: (n,). h: (E, T, H) hidden activations of the targets. labels: (T,).
    """
    config = head.config
    members, targets, _ = h.shape
    together = max(1, min(targets, _TORCH_FLOATS // (members * 256 * config.classes)))
    own = own_units(config.width, config.p, config.twin)
    rows = max(1, _TORCH_FLOATS // (members * (own + 2 * together * config.classes)))
    parts = []
    for t in range(0, targets, together):
        some = _Units.of(h[:, t : t + together], head)
        gaps = [
            _gaps(own_values(part, config, 1.0, 0.0), some, labels[t : t + together])
            for part in keys.split(rows)
        ]
        parts.append(torch.cat(gaps, dim=2))  # (E, T, n)
    whole = torch.cat(parts, dim=1)
    return Scores(whole.mean(0), standard_error(whole))


@dataclass(frozen=True)
class _Units:
    """Logits of targets by units: learned ones are `base` + bits · `units`.

    Attributes:
        units: (E, own, T, C) what an own unit's bit adds. base: (E, T, C) without any bit.
        full: (E, T, C) learned and flipped together.
    """

    units: Tensor
    base: Tensor
    full: Tensor

    @classmethod
    def of(cls, h: Tensor, head: HeadWeights) -> "_Units":
        """From hidden activations (E, T, H)."""
        config = head.config
        a = h.transpose(1, 2)[..., None] * head.W2[:, :, None] / config.p  # (E, H, T, C)
        full, own = a.sum(1), own_units(config.width, config.p, config.twin)
        if not config.twin:
            return cls(a, torch.zeros_like(full), full)
        twins = a[:, own:]  # on exactly when their partners are off
        return cls(a[:, :own] - twins, twins.sum(1), full)


def _gaps(bits: Tensor, of: _Units, labels: Tensor) -> Tensor:
    """Flipped loss minus learned loss, (E, T, n), from bits (E, n, own)."""
    learned = torch.baddbmm(of.base.flatten(1)[:, None], bits, of.units.flatten(2))
    learned = learned.unflatten(2, of.base.shape[1:])  # (E, n, T, C)
    flipped = of.full[:, None] - learned
    return (_loss(flipped, labels) - _loss(learned, labels)).transpose(1, 2)


def standard_error(members: Tensor) -> Tensor:
    """Standard error of the mean over members: (E, ...) to (...); NaN for a single member."""
    if len(members) < 2:
        return torch.full_like(members[0], float("nan"))
    return members.std(0) / len(members) ** 0.5


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of (E, n, T, C) logits for labels (T,), (E, n, T)."""
    own = labels.expand(logits.shape[:-1])[..., None]
    return torch.logsumexp(logits, -1) - logits.gather(-1, own)[..., 0]


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Nothing to precompute beyond the head itself."""
    return _Prepared(evidence, need_head(evidence, "turnover"))


TURNOVER = Estimator(
    name="turnover",
    title="Turn-over dropout",
    explanation=(
        "Loss of the sub-networks that never saw the row minus loss of those that did.\n"
        "The mean over members, with its standard error; noisy on its own beyond small data."
    ),
    source="Kobayashi et al. 2020, eq. 8",
    prepare=prepare,
    needs_head=True,
)
