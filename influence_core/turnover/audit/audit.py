"""The isolation audit: does the flipped side of a row read anything that the row touched?

Influence by turn-over is out-of-sample only if no parameter that the flipped side reads ever took
a gradient from the row. Layers in between can break that silently (a shared bias, a
BatchNorm, an elementwise mask on a convolution), so it is measured, not assumed, for any model:

* *touched*: entries with a gradient from the row on its learned side, in train mode. The
  outputs are projected at random, which covers the gradient of every loss; that of a saturated
  softmax is zero at the end of training though it was not before.
* *touched through others*: the row is swapped for another one, and entries whose gradient
  from the *other* row of the batch changes are touched too (batch statistics do this); so are
  buffers that training rewrites, such as running means.
* *read*: entries that the flipped side's outputs depend on, in eval mode, for any target of the
  batch.

`isolated` is the share of the read, trainable entries that stay untouched, summed over the probed
rows: a plain count of entries, each weighing the same. Frozen parameters do not count, for
nothing flows into them. Weights that are still zero, such as a fresh head's, let no gradient
through yet; they are probed with small random values in their place. `spill` adds how strongly it
leaks: the share of a learned-side descent step's effect on the row's own loss that shows on the
flipped side too (first order).

Callers: `training.networks` after each training, `turnover audit`, users with their own models.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.turnover.audit.names import describe
from influence_core.turnover.audit.probe import Counts, Probe, Run, untouched
from influence_core.turnover.calls import Inputs, logits_of, row_count
from influence_core.turnover.checks import awake, check_masks
from influence_core.turnover.exposed import Side
from influence_core.turnover.exposure import exposure
from influence_core.turnover.masks import as_keys, mix64


@runtime_checkable
class TwoSided(Protocol):
    """A module that computes its sides itself, such as `TurnoverHead`: logits (E, B, C)."""

    def learned(self, x: Tensor, keys: Tensor) -> Tensor:
        """Logits of the learned side."""
        ...

    def flipped(self, x: Tensor, keys: Tensor) -> Tensor:
        """Logits of the flipped side."""
        ...


@dataclass(frozen=True)
class AuditRow:
    """One parameter (or rewritten buffer): entries read, of these touched, and the spill.

    `read` and `shared` are sums over the probed rows, `size` is the number of entries.
    """

    name: str
    size: int
    trainable: bool
    read: int
    shared: int
    spill: float
    note: str = ""

    @property
    def isolated(self) -> float:
        """Share of the read entries that the row did not touch."""
        return 1.0 - self.shared / self.read if self.read else 1.0


@dataclass(frozen=True)
class Audit:
    """What the flipped side reads of what the instance touched, parameter by parameter."""

    rows: tuple[AuditRow, ...]
    instances: int
    mixing: tuple[str, ...] = ()  # modules whose output for one row depends on another row
    woken: tuple[str, ...] = ()  # weights that were nothing but zero, probed with random values

    @property
    def isolated(self) -> float:
        """Share in [0, 1] of the read trainable entries that stay untouched; 1.0 is exact."""
        read = sum(row.read for row in self.rows if row.trainable)
        shared = sum(row.shared for row in self.rows if row.trainable)
        return 1.0 - shared / read if read else 1.0

    @property
    def spill(self) -> float:
        """First-order share of a learned-side step's effect that the flipped side feels."""
        return sum(row.spill for row in self.rows)

    @property
    def leaks(self) -> tuple[AuditRow, ...]:
        """The rows with shared entries, largest first."""
        found = [row for row in self.rows if row.shared]
        return tuple(sorted(found, key=lambda row: -row.shared))

    @property
    def table(self) -> list[dict[str, Any]]:
        """The rows as dictionaries, for a data frame or JSON."""
        return [{**asdict(row), "isolated": row.isolated} for row in self.rows]

    @property
    def headline(self) -> str:
        """One sentence: "100 % isolated", or the share and what is shared."""
        still = f"; {describe(self.woken)} still zero, probed with random values"
        woken = still if self.woken else ""
        if not self.leaks:
            return f"100 % isolated{woken}"
        # Rounded down, so that a leak never reads as 100 %.
        share = f"{math.floor(self.isolated * 1000) / 10:g} %"
        parts = describe([row.name for row in self.leaks])
        mixed = f"; {describe(self.mixing)} mix rows" if self.mixing else ""
        return f"{share} isolated: {parts} are shared by both sides{mixed}{woken}"


def audit(
    model: nn.Module,
    batch: tuple[Inputs, Tensor],
    *,
    keys: Tensor | np.ndarray | None = None,
    run: Run | None = None,
    instances: int = 4,
) -> Audit:
    """Measure how far the flipped side is out-of-sample. The model is left as it was.

    Args:
        model: any module with turn-over layers, or one with `learned` and `flipped` methods.
            In train mode its submodules' modes are respected (a BatchNorm in eval mode does not
            mix); in eval mode it is audited as `model.train()` would make it.
        batch: inputs (a tensor, a tuple or a dictionary of them) and labels (B,), B >= 2.
        keys: (B,) keys of the rows; made up if none are passed.
        run: how to get logits, rows first, of one side, where neither of the above fits.
        instances: how many rows of the batch are probed, one at a time.

    Raises:
        ModelError: with fewer than two rows, or without turn-over layers.
    """
    inputs, labels = batch
    rows = row_count(inputs)
    if rows < 2 or len(labels) != rows:
        raise ModelError(
            f"The audit needs at least two rows with a label each, not {rows} rows and "
            f"{len(labels)} labels: it checks whether one row's output depends on another."
        )
    made_up = np.array([mix64(i + 1) for i in range(rows)], dtype=np.uint64)
    probe = Probe(
        model,
        run or (two_sided_run if isinstance(model, TwoSided) else exposed_run),
        inputs,
        labels,
        as_keys(made_up if keys is None else keys).to(labels.device),
    )
    if run is None and not isinstance(model, TwoSided):
        check_masks(model, inputs, fresh=True)
    with untouched(model), awake(model) as woken, torch.random.fork_rng(), torch.enable_grad():
        counts = [probe.row(i) for i in range(min(instances, rows))]
        mixing = probe.mixing_modules()
    return Audit(_rows(probe, counts), len(counts), mixing, woken)


def exposed_run(model: nn.Module, inputs: Inputs, keys: Tensor, side: Side) -> Tensor:
    """Logits of a model whose turn-over layers look at the exposure."""
    with exposure(model, keys, side):
        return logits_of(model, inputs)


def two_sided_run(model: nn.Module, inputs: Inputs, keys: Tensor, side: Side) -> Tensor:
    """Logits (B, E, C) of a module that computes its sides itself."""
    logits: Tensor = getattr(model, side)(inputs, keys)
    return logits.transpose(0, 1)


def freeze_shared(model: nn.Module, found: Audit) -> list[str]:
    """Freeze every parameter in which the audit found shared entries; returns their names.

    A frozen parameter takes no gradient, so what is left of the model is isolated.

    Raises:
        ModelError: rows meet in a layer that no freezing separates, such as a BatchNorm in train
            mode; nothing is frozen then.
    """
    shared = {row.name for row in found.leaks}
    rewritten = [name for name, _ in model.named_buffers() if name in shared]
    if rewritten or found.mixing:
        layers = found.mixing or tuple(name.rpartition(".")[0] for name in rewritten)
        raise ModelError(
            f"Freezing parameters cannot isolate this model: {describe(layers)} mix rows or keep "
            "statistics of them. Call freeze_batchnorm(model) on a pretrained network, or use "
            "nn.GroupNorm in a fresh one, then audit it again."
        )
    frozen = []
    for name, parameter in model.named_parameters():
        if name in shared:
            parameter.requires_grad_(False)
            frozen.append(name)
    return frozen


def _rows(probe: Probe, counts: Sequence[Counts]) -> tuple[AuditRow, ...]:
    rows = [
        AuditRow(
            name=name,
            size=parameter.numel(),
            trainable=True,
            read=sum(c.read[i] for c in counts),
            shared=sum(c.shared[i] for c in counts),
            spill=sum(c.spill[i] for c in counts) / len(counts),
        )
        for i, (name, parameter) in enumerate(probe.named)
    ]
    rows += [
        AuditRow(name, parameter.numel(), False, 0, 0, 0.0, "frozen")
        for name, parameter in probe.model.named_parameters()
        if not parameter.requires_grad
    ]
    for name in dict.fromkeys(name for c in counts for name in c.buffers):
        size = next(c.buffers[name] for c in counts if name in c.buffers)
        total = sum(c.buffers.get(name, 0) for c in counts)
        rows.append(AuditRow(name, size, True, total, total, 0.0, "rewritten by training"))
    return tuple(rows)
