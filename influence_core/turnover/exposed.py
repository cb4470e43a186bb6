"""What is exposed right now: the state between `exposure` (which sets it) and the layers.

State lives in a context variable, so threads and nested exposures do not see each other's. One
case needs care: gradient checkpointing runs `forward` again inside `backward`, and PyTorch may do
that in a thread of its own (one per GPU), which inherits no context variable. Inside a backward
pass, and only there, a layer without an exposure of its own falls back to the one that is open
in the process.

PyTorch's fused transformer kernels skip the dropout modules, and with them any mask that stands
there. They are switched off, in the whole process, while anything is exposed.
"""

import threading
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from influence_core.errors import KeysError
from influence_core.turnover.masks import mask_bits

# "both" holds every key twice: B rows on the learned side, then B rows on the flipped side.
Side = Literal["learned", "flipped", "both"]
SIDES = ("learned", "flipped", "both")


class Maskable(Protocol):
    """What an exposure needs to know of a turn-over layer."""

    size: int | None
    p: float
    seed: int
    layer: int | None
    twin: bool
    optional: bool

    def title(self) -> str:
        """How errors name the layer."""
        ...


class Exposed:
    """Keys and side of one open exposure, with the masks made so far.

    `calls` counts how often each layer (by `id`) was masked, `begun` how often any began: where
    the two differ, a layer has raised. A layer that was never called is absent from `calls`, and
    `exposure` does not end quietly then.
    """

    def __init__(self, keys: Tensor, side: Side | None, broadcast: bool) -> None:
        self.keys = keys  # (B,) int64
        self.side = side
        self.broadcast = broadcast
        self.calls: dict[int, int] = {}
        self.begun = 0
        self._masks: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}

    @property
    def rows(self) -> int:
        """Rows that an activation must have."""
        return len(self.keys) * (2 if self.side == "both" else 1)

    def mask(self, layer: Maskable, x: Tensor) -> Tensor:
        """Scaled masks (rows, units) of a layer, in the dtype and on the device of x."""
        key = (id(layer), x.dtype, x.device)
        if key not in self._masks:
            self._masks[key] = self._make(layer, x)
        self.calls[id(layer)] = self.calls.get(id(layer), 0) + 1
        return self._masks[key]

    @property
    def broken_off(self) -> bool:
        """Whether a layer began and did not mask: it has raised its own error."""
        return self.begun > sum(self.calls.values())

    def check_rows(self, rows: int, title: str) -> None:
        """Refuse an activation whose rows are not one per mask."""
        if rows == self.rows or (rows == 1 and self.broadcast):
            return
        raise KeysError(
            f"{title} got {rows} rows but {len(self.keys)} keys"
            f"{' for both sides' if self.side == 'both' else ''}; pass exactly one key per row of "
            "the batch, in the same order, and where another dimension than the first holds the "
            "rows, as in (T, B, H), give the layer `row_dim=`."
        )

    def _make(self, layer: Maskable, x: Tensor) -> Tensor:
        bits = mask_bits(
            self.keys.to(x.device),
            layer.size or 1,
            seed=layer.seed,
            layer=layer.layer or 0,
            p=layer.p,
            twin=layer.twin,
        )
        if self.side == "flipped":
            bits = ~bits
        elif self.side == "both":
            bits = torch.cat([bits, ~bits])
        return bits.to(x.dtype) / layer.p


_OPEN: ContextVar[Mapping[int, Exposed]] = ContextVar("turnover_exposures")
_NONE: Mapping[int, Exposed] = {}
# Every open exposure of the process with its thread, for the threads of the autograd engine.
_RUNNING: dict[int, list[tuple[int, Exposed]]] = {}
_LOCK = threading.Lock()


@dataclass
class _FusedKernels:
    """Off while any exposure is open in the process; then as they were before the first."""

    open: int = 0
    allowed: bool = True

    def off(self) -> None:
        if not self.open:
            self.allowed = torch.backends.mha.get_fastpath_enabled()
            torch.backends.mha.set_fastpath_enabled(False)
        self.open += 1

    def back(self) -> None:
        self.open -= 1
        if not self.open:
            torch.backends.mha.set_fastpath_enabled(self.allowed)


_FUSED = _FusedKernels()


def push(exposed: Exposed, layers: Iterable[int]) -> dict[int, Exposed]:
    """Expose layers (by `id`); returns what they ran under before, for `pop`."""
    before = _OPEN.get(_NONE)
    layers = list(layers)
    _OPEN.set({**before, **dict.fromkeys(layers, exposed)})
    with _LOCK:
        for key in layers:
            _RUNNING.setdefault(key, []).append((threading.get_ident(), exposed))
        _FUSED.off()
    return {key: before[key] for key in layers if key in before}


def pop(exposed: Exposed, layers: Iterable[int], outer: Mapping[int, Exposed]) -> None:
    """Undo `push`, but only what is still ours: a carrier may close after another opened.

    What was exposed around it is not blamed for the layers that ran in here.
    """
    for key, around in outer.items():
        around.calls[key] = around.calls.get(key, 0) + 1
        around.begun += 1
    others = {key: e for key, e in _OPEN.get(_NONE).items() if e is not exposed}
    _OPEN.set({**outer, **others})
    with _LOCK:
        for key in layers:
            others_running = [entry for entry in _RUNNING[key] if entry[1] is not exposed]
            if others_running:
                _RUNNING[key] = others_running
            else:
                del _RUNNING[key]
        _FUSED.back()


def open_exposure(layer: Maskable) -> Exposed | None:
    """The exposure that a layer runs under, or None."""
    own = _OPEN.get(_NONE).get(id(layer))
    if own is not None or torch._C._current_graph_task_id() == -1:
        return own
    running = _RUNNING.get(id(layer), [])
    threads = {thread for thread, _ in running}
    if len(threads) > 1:
        raise KeysError(
            f"{layer.title()} ran again inside a backward pass while {len(threads)} threads train "
            "this model, and cannot know whose rows these are; train it in one thread, or switch "
            "gradient checkpointing off."
        )
    return running[-1][1] if running else None  # nested in one thread: the innermost
