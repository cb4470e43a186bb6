"""Row keys through the Hugging Face Trainer: a data collator and a callback, no subclass.

    trainer = Trainer(
        model=model, args=args, train_dataset=rows,
        data_collator=KeyCollator(model, collator), callbacks=[KeyCallback()],
    )

The data set keeps its `key` column. Label smoothing, gradient accumulation, gradient checkpointing
and several processes work as always; evaluation and prediction run the full network. Clipping by
gradient norm (the Trainer's default) scales one row's step by the others': set
`max_grad_norm=0` for strict isolation.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn
from transformers import TrainerCallback, default_data_collator

from influence_core.training.networks.own_loop import COLUMN, EPOCHS, KeyCarrier
from influence_core.turnover.masks import as_keys

LABELS = ("label", "labels", "label_ids")


class KeyCollator:
    """Collates a batch as before and adds its keys as an int64 tensor.

    Keys are unsigned 64-bit numbers, more than the usual collators can hold. Columns that the
    model does not take (the text itself, ids) are left out, since the Trainer no longer does.

    Args:
        model: whose `forward` says which columns it takes.
        collator: what makes the rest of the batch.
        column: name of the key column.
    """

    def __init__(
        self,
        model: nn.Module,
        collator: Callable[[list[dict[str, Any]]], Mapping[str, Any]] = default_data_collator,
        column: str = COLUMN,
    ) -> None:
        self._takes = {*inspect.signature(model.forward).parameters, *LABELS}
        self._collator = collator
        self._column = column

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A list of rows to a batch."""
        kept = [{name: row[name] for name in row if name in self._takes} for row in rows]
        batch = dict(self._collator(kept))
        if all(self._column in row for row in rows):
            keys = [int(row[self._column]) % 2**64 for row in rows]
            batch[self._column] = as_keys(np.array(keys, dtype=np.uint64))
        return batch


class KeyCallback(TrainerCallback):
    """Puts a `KeyCarrier` on the Trainer's model, and keeps the `key` column from being removed."""

    def __init__(self, column: str = COLUMN) -> None:
        self._column = column
        self._carrier: KeyCarrier | None = None

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The Trainer is built: its model is known, its loaders are not made yet."""
        args.remove_unused_columns = False
        self._carrier = KeyCarrier(kwargs["model"], self._column)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Nothing stays exposed after an evaluation within training."""
        self._close()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The last batch is over; `publish` shows after how many epochs."""
        self._close()
        if self._carrier is not None:
            self._carrier.model.__dict__[EPOCHS] = float(state.epoch or 0)

    def _close(self) -> None:
        if self._carrier is not None:
            self._carrier.close()
