"""Run what stands before the first turn-over layer once, and the rest as often as needed.

Scoring N rows on a target means running the same target under N masks. Everything before the
first mask does not depend on them. This module makes a *shell* of the model (the same parameters,
but modules of its own to rearrange, so other threads may use the model meanwhile), runs it once in
full, and remembers what came out of each module that had finished before the first turn-over layer
began. In the replays those modules return what they remember. There the first turn-over layer
meets a (1, ...) activation and broadcasts it against the masks of a whole chunk.

No knowledge of the architecture is needed. Callers: `influence.network_scan` (one target, many
masks) and `training.networks.sides` (both sides of the same rows).
"""

import copy
from collections import OrderedDict
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from influence_core.errors import ModelError
from influence_core.turnover.calls import Inputs, logits_of, row_count, take_rows
from influence_core.turnover.exposed import Side
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import TurnoverDropout, number_layers, turnover_layers

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs",
          "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called")  # fmt: skip
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


class Prefix:
    """A model in eval mode with its first part remembered for one batch of rows.

    Args:
        model: any module with turn-over layers; it is not changed.
        inputs: the rows to run and remember.
        keys, side: what to expose meanwhile; the full network by default.

    Attributes:
        logits: what came out, (rows, C).
        units: entries per row of the first turn-over layer's activation: a measure of how much
            memory each further row takes.

    Raises:
        ModelError: if no turn-over layer ran.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        keys: Tensor | np.ndarray | None = None,
        side: Side | None = None,
    ) -> None:
        self.shell = eval_shell(model)
        self._inputs = inputs
        tape = _Tape(self.shell)
        with tape, exposure(self.shell, keys, side):
            self.logits = logits_of(self.shell, inputs)
        if tape.running:
            raise ModelError(
                "No turn-over layer ran in this forward pass, so no mask can change its outcome; "
                "check that the model uses the layers that it holds."
            )
        self.units = tape.units
        self._replays = {m: _Replay(m, outputs) for m, outputs in tape.finished.items()}
        for parent in list(self.shell.modules()):
            for name, child in parent._modules.items():
                if child in self._replays:
                    parent._modules[name] = self._replays[child]

    @torch.no_grad()
    def replay(self, row: int | None = None, copies: int = 1) -> Tensor:
        """Logits of the same rows under the masks that are exposed now on `shell`.

        With `row`, `copies` of that one row: a single one meets all keys of an exposure that was
        opened with `broadcast=True`.
        """
        inputs = self._inputs
        if row is not None:
            inputs = take_rows(inputs, [row] * copies)
        for replay in self._replays.values():
            replay.rewind(row, copies, row_count(self._inputs))
        return logits_of(self.shell, inputs)


def eval_shell(model: nn.Module) -> nn.Module:
    """The model in eval mode over the same weights, whatever others do to its modes meanwhile."""
    if turnover_layers(model):
        number_layers(model)  # here, so that model and shell agree
    return _shell(model, {}).eval()


class _Replay(nn.Module):
    """Stands in for a module: returns its remembered outputs, then works on as the module."""

    def __init__(self, real: nn.Module, outputs: list[Any]) -> None:
        super().__init__()
        self.real = real
        self._outputs = outputs
        self.rewind(None, 1, 0)
        self.training = False

    def rewind(self, row: int | None, copies: int, rows: int) -> None:
        """Start a new forward pass, on copies of one of the recorded rows or on all of them."""
        self._next, self._row, self._copies, self._rows = 0, row, copies, rows

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The next remembered output; the module's own once there are no more."""
        if self._next == len(self._outputs):
            return self.real(*args, **kwargs)
        output = self._outputs[self._next]
        self._next += 1
        return tree_map(self._take, output)

    def _take(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if self._row is not None and value.ndim and len(value) == self._rows:
            one = value[self._row : self._row + 1]
            value = one.expand(self._copies, *one.shape[1:])
        return value.clone()  # the parent may work on it in place

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.real, name)  # parents read attributes of their children


@dataclass
class _Tape:
    """Watches a forward pass until the first turn-over layer begins.

    `finished` are the outermost modules that had ended by then, with the output of each call.
    """

    shell: nn.Module
    finished: dict[nn.Module, list[Any]] = field(default_factory=dict)
    running: bool = True
    units: int = 0
    _open: list[list[tuple[nn.Module, Any]]] = field(default_factory=lambda: [[]])
    _handles: list[Any] = field(default_factory=list)

    def __enter__(self) -> None:
        for module in self.shell.modules():
            self._handles.append(module.register_forward_pre_hook(self._begin))
            self._handles.append(module.register_forward_hook(self._end))

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if not self.running:
            return
        if isinstance(module, TurnoverDropout):
            self.running = False
            self.units = args[0].numel() // args[0].shape[module.row_dim]
            for calls in self._open:
                for done, output in calls:
                    self.finished.setdefault(done, []).append(output)
            return
        self._open.append([])

    def _end(self, module: nn.Module, _: tuple[Any, ...], output: Any) -> None:
        if self.running:
            self._open.pop()  # what ran inside it is covered by it
            self._open[-1].append((module, _kept(output)))


def _kept(output: Any) -> Any:
    """A copy that later in-place operations (an inplace ReLU) cannot reach."""
    return tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, output)


def _shell(module: nn.Module, made: dict[int, nn.Module]) -> nn.Module:
    """The same module tree over the same parameters and buffers, as new module objects."""
    if id(module) in made:
        return made[id(module)]
    if "_orig_mod" in module._modules or isinstance(module, _PARALLEL):
        # torch.compile and replicas run the model that they wrap, which a shell of them would too.
        return _shell(next(module.children()), made)
    if isinstance(module, torch.jit.ScriptModule):
        made[id(module)] = copy.deepcopy(module)  # holds no turn-over layer, but has a mode
        return made[id(module)]
    clone = module.__new__(type(module))
    made[id(module)] = clone
    clone.__dict__ = dict(module.__dict__)
    for name in _HOOKS:
        clone.__dict__[name] = OrderedDict(module.__dict__.get(name, {}))
    patched = module.__dict__.get("forward")
    if isinstance(patched, MethodType) and patched.__self__ is module:
        clone.__dict__["forward"] = MethodType(patched.__func__, clone)
    clone.__dict__["_compiled_call_impl"] = None  # of `module.compile()`: the model itself again
    clone._modules = {
        name: None if child is None else _shell(child, made)
        for name, child in module._modules.items()
    }
    return clone
