"""Turn-over influence for any network: each target fed once, then met by chunks of masks.

For models whose structure nobody knows, the score of instance i on target t is
L(f^{m̃_i}, t) − L(f^{m_i}, t), two forward passes per pair. Here the part before the first turn-over
layer runs once per target, all targets of a group in one batch (`turnover.prefix`), and the rest
runs on B masks at a time, learned and flipped side together. Logits give the loss toward every
class at no further cost.

Whether a model survives this is not guessed but checked on two keys for each group of targets:

* "broadcast": one row of the target meets all masks;
* "repeat": the remembered first part is repeated for each mask, for models that fix the batch size
  in their forward or add in place;
* "plain": the target itself is repeated and the whole network runs on each copy, for models whose
  first part cannot be told apart row by row.

All three are the same function; the first that gives what "plain" gives is used.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.influence.base import Scores
from influence_core.models.device import in_chunks
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.turnover.calls import (
    Inputs,
    device_of,
    logits_of,
    row_count,
    take_rows,
    to_device,
)
from influence_core.turnover.checks import PROBE_KEYS, check_masks, same
from influence_core.turnover.exposure import exposure
from influence_core.turnover.masks import as_keys
from influence_core.turnover.prefix import Prefix, eval_shell

# Activations of one chunk, in float32 entries: 64 MB each.
CHUNK_ENTRIES = 1 << 24
LAYERS_HELD = 2  # at a time: one was measured for MiniLM, three and a half for a VGG
MAX_CHUNK = 4096


Mode = Literal["broadcast", "repeat", "plain"]


@dataclass(frozen=True)
class ScanOptions:
    """`chunk` keys at a time (0: by memory), `group` targets through the first part at a time."""

    chunk: int = 0
    group: int = 32


class NetworkQuery:
    """Targets made ready for one network; implements `influence.base.Query`.

    Args:
        model: a network with turn-over layers, on the device where it shall run.
        inputs: T targets, as the model takes them.
        labels: (T,) the class whose loss is asked about; None asks about all classes.
        keys: (N,) keys of the training rows.
        options: sizes.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        labels: Tensor | None,
        keys: Tensor | np.ndarray,
        options: ScanOptions | None = None,
    ) -> None:
        targets = row_count(inputs)
        if labels is not None and len(labels) != targets:
            raise ModelError(f"{targets} targets need one label each, not {len(labels)}.")
        self.options = options or ScanOptions()
        self.keys = as_keys(keys)
        self.labels = labels
        self._model = model
        device = device_of(model)
        starts = range(0, targets, self.options.group)
        parts = [take_rows(inputs, slice(i, i + self.options.group)) for i in starts]
        check_masks(model, to_device(parts[0], device))
        self._groups = [_Group(model, to_device(part, device)) for part in parts]

    @property
    def logits(self) -> Tensor:
        """Full network's logits of the targets, (T, C)."""
        return torch.cat([group.prefix.logits for group in self._groups])

    @property
    def bytes(self) -> int:
        """About what one chunk of keys holds: activations of the layers that are held at a time."""
        entries = max(2 * group.chunk * group.prefix.units for group in self._groups)
        return 4 * LAYERS_HELD * entries

    @property
    def modes(self) -> set[Mode]:
        """How the targets are run."""
        return {group.mode for group in self._groups}

    def scores(self, rows: slice) -> Scores:
        """Influence (T, n) of the rows, or (T, n, C) on the loss of every class."""
        return Scores(self.of_keys(self.keys[rows]))

    def of_keys(self, keys: Tensor) -> Tensor:
        """The same for any keys, also ones that were never trained on."""
        gaps = torch.cat([self._gaps(group, keys) for group in self._groups])  # (T, n, C)
        if self.labels is None:
            return gaps
        index = self.labels.to(gaps.device).view(-1, 1, 1).expand(-1, gaps.shape[1], 1)
        return gaps.gather(2, index)[..., 0]

    def _gaps(self, group: "_Group", keys: Tensor) -> Tensor:
        """log p learned − log p flipped of every class: (targets, n, C), on the CPU."""

        def run(part: slice) -> Tensor:
            targets = range(group.targets)
            logits = group.sides(keys[part], targets, group.mode)  # (targets, 2 n, C)
            learned, flipped = logits.float().log_softmax(-1).chunk(2, dim=1)
            return (learned - flipped).cpu()

        chunk = self.options.chunk or group.chunk
        return torch.cat(in_chunks(run, len(keys), chunk, lower="the scan's chunk"), dim=1)


class _Group:
    """Targets that went through the first part of the network together."""

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        self.inputs = inputs
        self.targets = row_count(inputs)
        self.plain = eval_shell(model)
        self.prefix = Prefix(model, inputs)
        rows = CHUNK_ENTRIES // max(1, self.prefix.units) // 2
        self.chunk = max(1, min(MAX_CHUNK, rows))
        self.mode = self._choose()

    def sides(self, keys: Tensor, targets: Sequence[int], mode: Mode) -> Tensor:
        """Logits (targets, 2 n, C) on the learned, then the flipped sides of n keys."""
        shell = self.plain if mode == "plain" else self.prefix.shell
        with exposure(shell, keys, "both", broadcast=mode == "broadcast"):
            return torch.stack([self._run(t, 2 * len(keys), mode) for t in targets])

    @torch.no_grad()
    def _run(self, target: int, copies: int, mode: Mode) -> Tensor:
        if mode == "plain":
            return logits_of(self.plain, take_rows(self.inputs, [target] * copies))
        return self.prefix.replay(target, 1 if mode == "broadcast" else copies)

    def _choose(self) -> Mode:
        """The fastest way that gives what it must, on the first and the last target."""
        targets = sorted({0, self.targets - 1})
        plain = self.sides(PROBE_KEYS, targets, "plain")
        modes: tuple[Mode, ...] = ("broadcast", "repeat")
        for mode in modes:
            if same(_attempt(partial(self.sides, PROBE_KEYS, targets, mode)), plain):
                return mode
        return "plain"


def _attempt(run: Callable[[], Tensor]) -> Tensor | None:
    try:
        return run()
    except Exception:  # whatever a model raises that does not take this way; "plain" must run
        return None


def network_scan(
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor | None,
    keys: Tensor | np.ndarray,
    *,
    options: ScanOptions | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Tensor:
    """Influence of all rows on all targets: (T, N), or (T, N, C) for labels=None; on the CPU.

    Args as for `NetworkQuery`. For rankings over many rows hand a `NetworkQuery` to
    `influence.scan.scan`, which keeps only the strongest.

    Raises:
        ModelError: if the model has no turn-over layer or its output is no logits.
        ResourceError: if one mask alone does not fit into memory.
    """
    query = NetworkQuery(model, inputs, labels, keys, options)
    step = options.chunk if options and options.chunk else MAX_CHUNK
    return torch.cat(list(_parts(query, step, progress, cancel)), dim=1)


def _parts(
    query: NetworkQuery,
    step: int,
    progress: ProgressFn | None,
    cancel: threading.Event | None,
) -> Iterator[Tensor]:
    total = len(query.keys)
    for start in range(0, total, step):
        check_cancel(cancel)
        stop = min(start + step, total)
        yield query.scores(slice(start, stop)).scores
        if progress:
            progress(Progress("scan", stop, total))


def null_scores(query: NetworkQuery, count: int, *, seed: int = 0) -> Tensor:
    """Scores (T, count) of made-up keys that were never trained on: what pure noise looks like."""
    keys = np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)
    return query.of_keys(as_keys(keys))
