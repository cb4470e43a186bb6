"""A head's training on tape: its state before and after each step, from the last to the first.

What goes backwards through a training (`replay`) needs all its states, which are more than memory
holds: a `Tape` trains again, keeps what fits its room and makes the rest once more (Griewank &
Walther 2000). It keeps what each batch looked like inside, which is less than a gradient and saves
both the way there and, with a product, the gradient itself.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from influence_core.errors import ModelError
from influence_core.models.device import pinned, sent
from influence_core.progress import check_cancel
from influence_core.training.heads.adam import BETA1, BETA2, OptimiserState
from influence_core.training.heads.loop import HeadLoop
from influence_core.training.heads.steps import Forward, gradients
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, member_masks

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
class Batch:
    """One step's rows: which, x (B, d), labels (B,), and each row's factor of its loss.

    `unit` is d scale / d w: what one unit of a row's weight adds to the batch's loss.
    """

    index: Tensor
    x: Tensor
    labels: Tensor
    scale: Tensor  # (B,)
    unit: float
    p: float  # of the masks


@dataclass(frozen=True)
class Step:
    """One step as who goes backwards needs it; `number` counts from 1.

    `W2` and `seen` are of before it; the moments of Adam after it, the first one before it, too.
    """

    number: int
    batch: Batch
    seen: Forward
    W2: Tensor
    before: Params
    first: Params
    second: Params


@dataclass(frozen=True)
class _Record:
    """A batch inside, with as little as tells it: of twin units one is 0, so h is their sum."""

    h: Tensor
    full: Tensor
    W2: Tensor


class Tape:
    """A training that can be gone through backwards, for a share of the members.

    It trains again once and keeps every step's `_Record`, and gradients while there is room;
    `ANCHOR` steps from a kept state are then repeated, to the bit. Steps whose records do not fit
    are trained again.

    Args:
        rows: ungrouped; with (N, 1) weights if the rows were weighted.
        training: with a fixed number of epochs.
        members: the share.
        room: bytes that may be kept between two passes: states, records and gradients.
    """

    def __init__(
        self, rows: Rows, config: HeadConfig, training: HeadTraining, members: range, room: int
    ) -> None:
        self.loop = HeadLoop(rows, config, training, members)
        self.batches = [pinned(rows, self.loop.device) for rows in step_rows(self.loop, training)]
        mean = self.loop.mean_weight
        self.mean_weight = 1.0 if mean is None else float(mean)
        steps = len(self.batches)
        self.every = spacing(steps)
        state, record, _ = sizes(config, len(members), self.loop.batch, steps)
        room -= state * -(-steps // self.every)
        self.kept_records = min(steps, max(0, room // record))
        self.kept_gradients = max(0, (room - self.kept_records * record) // (state // 3))
        self.anchors: list[State] = []
        self.records: dict[int, _Record] = {}
        self.gradients: dict[int, Params] = {}
        self.last: Params | None = None

    @property
    def whole(self) -> bool:
        """Whether all records fit, so that one training serves any number of passes."""
        return len(self.batches) <= self.kept_records

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
            self.anchors, self.records, self.gradients = [], {}, {}
            # The last steps are kept: a pass begins with them.
            steps = len(self.batches)
            for step in range(steps):
                check_cancel(cancel)
                if step % self.every == 0:
                    self.anchors.append(self._state(step))
                record = self._train(step)
                if step >= steps - self.kept_records:
                    self.records[step] = record
                if step >= steps - self.kept_gradients:
                    self.gradients[step] = self.loop.last_gradients()
                if told:
                    told(step + 1)
            self.last = self._state(steps).params
        return self.last

    def backwards(self, cancel: threading.Event | None = None) -> Iterator[Step]:
        """From the last step to the first; moments are overwritten some steps later.

        Memory that is given back and asked for again costs a tenth of a pass, so all stretches
        between two kept states write their moments to the same place.
        """
        self.end(cancel=cancel)
        place: list[tuple[Params, Params]] = []
        for anchor in reversed(self.anchors):
            yield from reversed(self._from(anchor, place, cancel))

    def _from(
        self,
        anchor: State,
        place: list[tuple[Params, Params]],
        cancel: threading.Event | None,
    ) -> list[Step]:
        """The steps from an anchor to the next."""
        # With decay the moments depend on the weights, so all steps are made again.
        decay = self.loop.training.weight_decay != 0
        if decay or anchor.step not in self.records:
            moments = OptimiserState(float(anchor.step), anchor.first, anchor.second)
            self.loop.go_on_from(anchor.params, moments if anchor.step else None)
        steps: list[Step] = []
        first, second = anchor.first, anchor.second
        for step in range(anchor.step, min(anchor.step + self.every, len(self.batches))):
            check_cancel(cancel)
            batch = self._batch(self.batches[step])
            record = self.records.get(step)
            if record is None:
                record = self._train(step)
                seen, gradient = self._inside(record, batch), self.loop.last_gradients()
            else:
                seen = self._inside(record, batch)
                gradient = self._gradients(step, batch, seen, record.W2)
                if decay:
                    self.loop.step_along(gradient)
            before = first
            if decay:
                first, second = self._moments(step + 1)
            else:
                if step - anchor.step == len(place):
                    place.append((like(first), like(second)))
                out = place[step - anchor.step]
                moments_after(first, second, gradient, out)
                first, second = out
            steps.append(Step(step + 1, batch, seen, record.W2, before, first, second))
        return steps

    def _train(self, step: int) -> _Record:
        """Make a step; what its batch looked like inside."""
        W2 = self.loop.params[2].clone()
        seen = self.loop.step(self.batches[step])
        h = seen.h
        if self.loop.config.twin:
            half = h.shape[2] // 2
            h = h[..., :half] + h[..., half:]
        return _Record(h, seen.full, W2)

    def _inside(self, record: _Record, batch: Batch) -> Forward:
        """The batch inside, as it was."""
        loop = self.loop
        if not loop.config.twin:
            return Forward(record.h, record.full)
        masks = member_masks(
            loop.keys[sent(batch.index, loop.device)], loop.config, members=loop.members
        )
        # A mask is 0 or 2, and to halve is exact.
        halves = masks.mul_(0.5).view(*record.h.shape[:2], 2, -1)
        halves.mul_(record.h[:, :, None])
        return Forward(masks, record.full)

    def _gradients(self, step: int, batch: Batch, seen: Forward, W2: Tensor) -> Params:
        kept = self.gradients.get(step)
        if kept is not None:
            return kept
        return gradients(batch.x, batch.labels[None], batch.scale[None], seen, W2, batch.p)

    def _batch(self, index: Tensor) -> Batch:
        loop = self.loop
        here = sent(index, loop.device)
        unit = 1.0 / len(index) / self.mean_weight
        x = loop.rows.features.rows(index)
        return Batch(index, x, loop.labels[here], loop.scale(here)[0], unit, loop.config.p)

    def _moments(self, step: int) -> tuple[Params, Params]:
        adam = self.loop.optimiser.state(step)
        m1, mb, m2 = (t.clone() for t in adam.first)
        v1, vb, v2 = (t.clone() for t in adam.second)
        return (m1, mb, m2), (v1, vb, v2)

    def _state(self, step: int) -> State:
        W1, b1, W2 = (t.clone() for t in self.loop.params)
        if step == 0:
            zero = (torch.zeros_like(W1), torch.zeros_like(b1), torch.zeros_like(W2))
            return State(0, (W1, b1, W2), zero, zero)
        return State(step, (W1, b1, W2), *self._moments(step))


def like(params: Params) -> Params:
    """Memory for as many numbers."""
    W1, b1, W2 = (torch.empty_like(t) for t in params)
    return W1, b1, W2


def moments_after(
    first: Params, second: Params, gradient: Params, out: tuple[Params, Params]
) -> None:
    """Write to `out` both moments of Adam after a step with this gradient, without decay."""
    if gradient[0].device.type == "cpu":
        from influence_core.training.heads.adam_numba import next_moments
    else:
        next_moments = moments_by_tensors
    for m, v, g, *own in zip(first, second, gradient, *out, strict=True):
        next_moments(m, v, g, (own[0], own[1]))


def moments_by_tensors(
    first: Tensor, second: Tensor, gradient: Tensor, out: tuple[Tensor, Tensor]
) -> None:
    """What `adam_numba.next_moments` does, on any device."""
    torch.lerp(first, gradient, 1.0 - BETA1, out=out[0])
    torch.mul(second, BETA2, out=out[1]).addcmul_(gradient, gradient, value=1.0 - BETA2)


def spacing(steps: int) -> int:
    """Steps between two kept states."""
    return max(ANCHOR, round(steps**0.5))


def sizes(config: HeadConfig, members: int, batch: int, steps: int) -> tuple[int, int, int]:
    """Bytes of a state, of a record, and of what a pass holds while it is on its way."""
    width, classes = config.width, config.classes
    numbers = width * (config.features + 1 + classes)
    units = width // 2 if config.twin else width
    state = 4 * members * 3 * numbers
    record = 4 * members * (batch * (units + classes) + width * classes)
    inside = 4 * members * batch * width
    return state, record, spacing(steps) * (2 * state // 3 + inside + 4 * batch * config.features)


def step_rows(loop: HeadLoop, training: HeadTraining) -> list[Tensor]:
    """Which rows each step of the whole training takes, in the run's own order."""
    if training.epochs is None:
        raise ModelError("Only a training of a known number of epochs can be replayed.")
    return [part for _ in range(training.epochs) for part in loop.next_order().split(loop.batch)]
