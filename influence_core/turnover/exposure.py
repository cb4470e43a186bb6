"""Whose masks, and which side: the context that turn-over layers look at.

    with exposure(model, batch["key"]):          # train: every row under its own mask
        loss(model(batch["x"]), batch["y"]).backward()
    with exposure(model, keys, side="flipped"):  # the sub-networks that never saw these rows
        model(x)

`backward()` belongs inside the context, because gradient checkpointing runs `forward` again
there. Contexts nest, and each thread sees its own (`exposed.py` holds the state).

A context that ends without an error has masked every layer at least once. Else it raises: a fused
kernel, a compiled or copied model, or code that reads only a layer's `p` would give numbers of the
full network without a word.
"""

from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from influence_core.errors import KeysError, ModelError
from influence_core.turnover.exposed import SIDES, Exposed, Side, pop, push
from influence_core.turnover.layer import TurnoverDropout, number_layers
from influence_core.turnover.masks import as_keys


class exposure:  # noqa: N801 - reads as a keyword: `with exposure(model, keys):`
    """Context manager: run the turn-over layers of `model` under the masks of `keys`.

    Args:
        model: the module whose layers to expose; wrappers (DistributedDataParallel) are fine.
        keys: (B,) keys of the rows, one per row of the batch, int64 tensor or uint64 array.
            Repeated keys are allowed and give the same mask.
        side: "learned" (m), "flipped" (1/p − m), "both" (2 B rows: learned, then flipped), or
            None for the full network at scale 1, in train mode too.
        broadcast: let a (1, ...) activation meet all B masks: one target against a chunk of
            rows, fed once. Without it a single row with several keys is an error.

    Raises:
        ModelError: if the model has no turn-over layer, or copies itself into threads; on leaving,
            if a layer was not called that is not `optional`.
        KeysError: if keys are missing, not integers, or on meta devices.
    """

    def __init__(
        self,
        model: nn.Module,
        keys: Tensor | np.ndarray | None = None,
        side: Side | None = "learned",
        *,
        broadcast: bool = False,
    ) -> None:
        if side is not None and side not in SIDES:
            raise ModelError(f"There is no side {side!r}; choose one of {SIDES} or None.")
        if keys is None and side is not None:
            raise KeysError(
                f"The {side} side needs keys: `exposure(model, keys, side={side!r})`; "
                "pass the batch's `key` column, or side=None for the full network."
            )
        _check_one_copy(model)
        self._layers = number_layers(model)
        self._ids = [id(layer) for layer in self._layers.values()]
        tensor = torch.empty(0, dtype=torch.int64) if keys is None else as_keys(keys)
        self._exposed = Exposed(tensor, side, broadcast)
        self._outer: dict[int, Exposed] = {}

    def __enter__(self) -> Self:
        self._outer = push(self._exposed, self._ids)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.close(checked=kind is None)

    def close(self, *, checked: bool = True) -> None:
        """Leave the context; unchecked where a forward pass was broken off.

        Raises:
            ModelError: checked, and a layer was not called.
        """
        pop(self._exposed, self._ids, self._outer)
        if checked and self._exposed.side is not None and not self._exposed.broken_off:
            check_called(self._layers, self._exposed)


def check_called(layers: dict[str, TurnoverDropout], exposed: Exposed) -> None:
    """Refuse a pass in which a layer was not called that should have been.

    Raises:
        ModelError: names the first such layer, and says how to declare it optional.
    """
    needed = [name for name, layer in layers.items() if not layer.optional]
    missed = [name for name in needed if id(layers[name]) not in exposed.calls]
    if not missed:
        return
    more = f" and {len(missed) - 1} more were" if len(missed) > 1 else " was"
    name = missed[0].removesuffix(".real").replace(".real.", ".")  # of a replay (`prefix`)
    raise ModelError(
        f"The turn-over layer {name!r}{more} not called in this pass, so no mask acted there and "
        "the numbers would be wrong: call the model itself inside the exposure, not a traced, "
        "graphed or threaded copy, and the layer as a module; if a pass may leave it out (an "
        "auxiliary head, a branch), say so with TurnoverDropout(..., optional=True)."
    )


def _check_one_copy(model: nn.Module) -> None:
    for module in model.modules():
        parallel = isinstance(module, nn.DataParallel) and len(module.device_ids) > 1
        if parallel or getattr(module, "_is_replica", False):
            raise ModelError(
                "nn.DataParallel runs copies of the model in threads, where no mask reaches them; "
                "use DistributedDataParallel (accelerate launch), or a single GPU."
            )
