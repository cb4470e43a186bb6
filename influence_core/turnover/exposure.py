"""Whose masks, and which side: the context that turn-over layers look at.

    with exposure(model, batch["key"]):          # train: every row under its own mask
        loss(model(batch["x"]), batch["y"]).backward()
    with exposure(model, keys, side="flipped"):  # the sub-networks that never saw these rows
        model(x)

`backward()` belongs inside the context, because gradient checkpointing runs `forward` again
there. Contexts nest, and each thread sees its own (`exposed.py` holds the state).
"""

from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from influence_core.errors import KeysError, ModelError
from influence_core.turnover.exposed import SIDES, Exposed, Side, pop, push
from influence_core.turnover.layer import number_layers
from influence_core.turnover.masks import as_keys


class exposure:  # noqa: N801 - reads as a keyword: `with exposure(model, keys):`
    """Context manager: run the turn-over layers of `model` under the masks of `keys`.

    Args:
        model: the module whose layers to expose; wrappers (DistributedDataParallel) are fine.
        keys: (B,) instance keys, one per row of the batch, int64 tensor or uint64 array. Repeated
            keys are allowed and give the same mask.
        side: "learned" (m), "flipped" (1/p − m), "both" (2 B rows: learned, then flipped), or
            None for the full network at scale 1, in train mode too.
        broadcast: let a (1, ...) activation meet all B masks: one target against a chunk of
            instances, fed once. Without it a single row with several keys is an error.

    Raises:
        ModelError: if the model has no turn-over layer.
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
                f"The {side} side needs instance keys: `exposure(model, keys, side={side!r})`; "
                "pass the batch's `key` column, or side=None for the full network."
            )
        self._layers = [id(layer) for layer in number_layers(model).values()]
        tensor = torch.empty(0, dtype=torch.int64) if keys is None else as_keys(keys)
        self._exposed = Exposed(tensor, side, broadcast)
        self._outer: dict[int, Exposed] = {}

    def __enter__(self) -> Self:
        self._outer = push(self._exposed, self._layers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        pop(self._exposed, self._layers, self._outer)
