"""The measurements behind the audit: what one row touches, and what its flipped side reads.

Everything here is a forward or backward pass on at most a few rows, on the model as it is; nothing
is left changed (`untouched`). `audit.py` says what the measurements mean.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from influence_core.turnover.calls import Inputs, row_count, take_rows
from influence_core.turnover.exposed import Side

# Logits, rows first, of inputs under keys on one side.
Run: TypeAlias = Callable[[nn.Module, Inputs, Tensor, Side], Tensor]

# A gradient that moved by less than this share of the tensor's largest is rounding, not mixing.
MIXING_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Counts:
    """One row: per parameter read, shared and spill; buffers it rewrote and that are read."""

    read: list[int]
    shared: list[int]
    spill: list[float]
    buffers: dict[str, int]


class Probe:
    """The measurements on one model and batch; `audit` sums them up."""

    def __init__(
        self, model: nn.Module, run: Run, inputs: Inputs, labels: Tensor, keys: Tensor
    ) -> None:
        self.model, self.run, self.inputs, self.labels, self.keys = model, run, inputs, labels, keys
        self.named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.learning = {module: module.training for module in model.modules()}
        if not model.training:
            self.learning = dict.fromkeys(self.learning, True)
        for module in self.learning:
            # Random by design and the same for everyone: not a leak, only noise in the count.
            if isinstance(module, nn.modules.dropout._DropoutNd):
                self.learning[module] = False

    def row(self, row: int) -> Counts:
        """All measurements for one row of the batch."""
        other = (row + 1) % len(self.keys)
        learned = self._learn([row, other])
        touched = [g != 0 for g in self._grads(self._project(learned[:1]))]
        mixed = self._through_others(row, other)
        touched = [own | through for own, through in zip(touched, mixed, strict=True)]
        rewritten = self._rewritten(row, other)
        read = self._read(row)
        return Counts(
            [int(r.sum()) for r in read],
            [int((r & t).sum()) for r, t in zip(read, touched, strict=True)],
            self._spill(row, other),
            {name: size for name, size in rewritten.items() if self._reads_buffer(row, name)},
        )

    def mixing_modules(self) -> tuple[str, ...]:
        """Leaf modules whose output for one row changes when only the other row changes."""
        first, second = (self._leaf_outputs(pair) for pair in ([0, 1], [1, 1]))
        mixing = []
        for name, (given, made) in first.items():
            if name not in second or any(x.shape[:1] != (2,) for x in (given, made)):
                continue
            given_2, made_2 = second[name]
            if given_2.shape == given.shape and made_2.shape == made.shape:
                same_input = torch.equal(given[1], given_2[1])
                if same_input and not _close(made[1], made_2[1]).all():
                    mixing.append(name)
        return tuple(mixing)

    def _learn(self, rows: Sequence[int]) -> Tensor:
        """Learned-side logits of a small training batch; plain dropout draws the same each time."""
        self._set_modes(self.learning)
        torch.manual_seed(0)
        return self.run(self.model, take_rows(self.inputs, rows), self.keys[list(rows)], "learned")

    def _flip(self, row: int, inputs: Inputs) -> Tensor:
        """Logits of targets on the side that never saw `row`."""
        self._set_modes(dict.fromkeys(self.learning, False))
        keys = self.keys[row].repeat(row_count(inputs))
        return self.run(self.model, inputs, keys, "flipped")

    def _through_others(self, row: int, other: int) -> list[Tensor]:
        """Entries whose gradient from `other` depends on whether `row` is in the batch."""
        with_row = self._grads(self._project(self._learn([row, other])[1:]))
        without = self._grads(self._project(self._learn([other, other])[1:]))
        return [~_close(a, b) for a, b in zip(with_row, without, strict=True)]

    def _read(self, row: int) -> list[Tensor]:
        return [g != 0 for g in self._grads(self._project(self._flip(row, self.inputs)))]

    def _spill(self, row: int, other: int) -> list[float]:
        """⟨∇ flipped loss, ∇ learned loss⟩ / ‖∇ learned loss‖², parameter by parameter."""
        target = take_rows(self.inputs, [row])
        learned = self._grads(self._loss(self._learn([row, other])[:1], row))
        flipped = self._grads(self._loss(self._flip(row, target), row))
        norm = sum(float(g.square().sum()) for g in learned)
        dots = [float((a * b).sum()) for a, b in zip(learned, flipped, strict=True)]
        return [dot / norm if norm else 0.0 for dot in dots]

    def _loss(self, logits: Tensor, row: int) -> Tensor:
        flat = logits.flatten(0, -2).float()  # members count as rows
        return nn.functional.cross_entropy(flat, self.labels[row].repeat(len(flat)))

    def _project(self, logits: Tensor) -> Tensor:
        """A random weighted sum: its gradient is non-zero wherever any output's is."""
        rng = torch.Generator().manual_seed(1)
        weights = torch.randn(logits.shape, generator=rng).to(logits.device, logits.dtype)
        return (logits * weights).sum()

    def _grads(self, output: Tensor) -> list[Tensor]:
        parameters = [p for _, p in self.named]
        if not parameters:
            return []
        if not output.requires_grad:
            return [torch.zeros_like(p) for p in parameters]
        grads = torch.autograd.grad(output, parameters, allow_unused=True)
        return [
            torch.zeros_like(p) if g is None else g for g, p in zip(grads, parameters, strict=True)
        ]

    def _rewritten(self, row: int, other: int) -> dict[str, int]:
        """Floating buffers that a training forward changes, with their sizes."""
        before = {n: b.clone() for n, b in self.model.named_buffers() if b.is_floating_point()}
        self._learn([row, other])
        after = dict(self.model.named_buffers())
        changed = {n: b for n, b in before.items() if not torch.equal(after[n], b)}
        with torch.no_grad():
            for name, old in changed.items():
                after[name].copy_(old)
        return {name: old.numel() for name, old in changed.items()}

    def _reads_buffer(self, row: int, name: str) -> bool:
        buffer = dict(self.model.named_buffers())[name]
        old = buffer.clone()
        with torch.no_grad():
            before = self._flip(row, self.inputs)
            buffer.add_(1.0)
            after = self._flip(row, self.inputs)
            buffer.copy_(old)
        return not torch.equal(before, after)

    def _leaf_outputs(self, rows: Sequence[int]) -> dict[str, tuple[Tensor, Tensor]]:
        """First call of each leaf module: its first tensor in and its tensor out."""
        seen: dict[str, tuple[Tensor, Tensor]] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(_: nn.Module, given: tuple[Any, ...], made: Any) -> None:
                tensors = [x for x in given if isinstance(x, Tensor)]
                if name not in seen and tensors and isinstance(made, Tensor):
                    seen[name] = (tensors[0].detach().clone(), made.detach().clone())

            return hook

        handles = [
            module.register_forward_hook(keep(name))
            for name, module in self.model.named_modules()
            if name and not any(module.children())
        ]
        try:
            with torch.no_grad():
                self._learn(rows)
        finally:
            for handle in handles:
                handle.remove()
        return seen

    def _set_modes(self, modes: dict[nn.Module, bool]) -> None:
        for module, training in modes.items():
            module.training = training


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put modes and buffers back, whatever happens inside."""
    modes = {module: module.training for module in model.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        with torch.no_grad():
            for buffer, old in buffers:
                buffer.copy_(old)


def _close(a: Tensor, b: Tensor) -> Tensor:
    scale = max(float(a.abs().max()), float(b.abs().max())) if a.numel() else 0.0
    return (a - b).abs() <= MIXING_TOLERANCE * scale
