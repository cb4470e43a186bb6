"""How row keys reach the turn-over layers in training loops that are not ours.

* A loop you can edit: `with exposure(model, batch["key"]): ...backward()`. Nothing else is needed,
  and the same goes for Accelerate, where each process wraps its own rows' keys.
* A loop you cannot edit: `KeyCarrier(model)` takes `key` out of every call of the model and keeps
  the exposure open until the next call, so that it covers the backward pass.
* The Hugging Face Trainer: `KeyCollator` and `KeyCallback` in `trainer_callback`, built on this.
"""

from typing import Any

from torch import nn

from influence_core.errors import KeysError
from influence_core.turnover.exposed import open_exposure
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import number_layers

COLUMN = "key"
EPOCHS = "turnover_epochs"  # attribute of a model: how long somebody's own loop has trained it


class KeyCarrier:
    """Lets a model be called with its batch's keys as one more keyword.

    In train mode a call opens an exposure (the one before is closed first), which stays open for
    `backward()`, gradient accumulation and gradient checkpointing. In eval mode the keys are
    dropped and the full network runs.

    Args:
        model: the model itself, not its DistributedDataParallel wrapper.
        column: the keyword.

    Raises:
        ModelError: if the model has no turn-over layers.
    """

    def __init__(self, model: nn.Module, column: str = COLUMN) -> None:
        self._layers = list(number_layers(model).values())
        self.model = model
        self.column = column
        self._open: exposure | None = None
        self._ended = False  # whether the pass of the open exposure came to its end
        self._handles = [
            model.register_forward_pre_hook(self._before, with_kwargs=True),
            model.register_forward_hook(self._after),
        ]

    def close(self) -> None:
        """End the exposure of the last batch.

        Raises:
            ModelError: a turn-over layer was not called in it.
        """
        last, self._open = self._open, None
        if last is not None:
            last.close(checked=self._ended)

    def remove(self) -> None:
        """Take the carrier off the model."""
        self.close()
        for handle in self._handles:
            handle.remove()

    def _exposed_by_others(self) -> bool:
        return all(open_exposure(layer) is not None for layer in self._layers)

    def _before(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.close()
        kwargs = dict(kwargs)
        keys = kwargs.pop(self.column, None)
        if model.training:
            if keys is None and self._exposed_by_others():
                return args, kwargs  # an audit, or a loop with exposures of its own
            if keys is None:
                raise KeysError(
                    f"A training batch has no {self.column!r}: keep the data set's {self.column!r} "
                    "column (for the Hugging Face Trainer use KeyCollator, which also keeps "
                    "it from being removed as unused) and pass it with the batch."
                )
            self._open, self._ended = exposure(model, keys), False
            self._open.__enter__()
        return args, kwargs

    def _after(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._ended = True
