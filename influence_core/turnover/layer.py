"""`TurnoverDropout`: the layer that gives every training row its own fixed mask.

Put it where a network has an `nn.Dropout`, or after the activation whose units should be split.
It does nothing by itself: whose mask it applies, and which side of it, comes from the `exposure`
that is open around the call (see `exposure.py`), so no `forward` needs an extra argument and any
model can carry it, Hugging Face's included. `inject` places layers into known architectures.

The layer holds no weights. Its only state is an integer buffer that says which masks it makes
(size, p, seed, number, twin); it travels with the checkpoint, and loading a checkpoint whose
masks differ is refused, because its weights were taught under other masks.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from influence_core.errors import KeysError, MismatchError, ModelError
from influence_core.turnover.exposed import open_exposure
from influence_core.turnover.masks import PRECISION, own_units, planes

SPEC_FIELDS = ("size", "p", "seed", "layer", "twin")
UNKNOWN = -1


class TurnoverDropout(nn.Module):
    """Dropout over the units of an activation, one fixed mask for each row's key.

    Units are the channels (dimension 1) of a 4-D or 5-D activation, where a filter is shared over
    all positions and an elementwise mask would leak, and the last dimension of a 2-D or 3-D one:
    (B, H), or (B, T, H) with one mask shared by all T tokens.

    Args:
        size: number of units; None takes it from the first activation that arrives.
        p: probability that a unit is on a row's learned side. Learned masks are 0 or 1/p,
            flipped ones 1/p − learned.
        seed: the run's mask seed.
        layer: number of the layer within the model; None is numbered by `number_layers`, in the
            order of `model.modules()`.
        twin: unit k and unit k + size/2 always carry opposite bits (p = 0.5, even size).
        dim: the dimension that holds the units, where the rule above is wrong: 1 for (B, C, L),
            -1 for (B, H, W, C).
        row_dim: the dimension that holds the rows, where it is not the first: 1 for (T, B, H).
        optional: a pass may leave this layer out (an auxiliary head, a conditional branch); else
            an exposure in which it was not called raises.

    Raises:
        ModelError: if p is outside (0, 1), or twins are impossible.
    """

    mask_spec: Tensor

    def __init__(  # noqa: PLR0913 - it stands inside model definitions: all is said in one place
        self,
        size: int | None = None,
        p: float = 0.5,
        seed: int = 0,
        *,
        layer: int | None = None,
        twin: bool = False,
        dim: int | None = None,
        row_dim: int = 0,
        optional: bool = False,
    ) -> None:
        super().__init__()
        planes(p)
        if size is not None:
            if size < 1:
                raise ModelError(f"A turn-over layer needs at least one unit, not {size}.")
            own_units(size, p, twin)
        self.size = size
        self.p = p
        self.seed = seed
        self.layer = layer
        self.twin = twin
        self.dim = dim
        self.row_dim = row_dim
        self.optional = optional
        self.register_buffer("mask_spec", self._spec())

    def forward(self, x: Tensor) -> Tensor:
        """Mask x by the open exposure; without one, pass it on (evaluation) or refuse (training).

        Raises:
            KeysError: in train mode without an exposure, or when keys and rows do not fit.
            ModelError: when x has another number of units than the layer, or a trace would keep
                these masks for good.
        """
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
            # What is exposed changes from call to call: no compiled graph may remember it.
            return torch.compiler.disable(self._masked)(x)
        return self._masked(x)

    def _masked(self, x: Tensor) -> Tensor:
        exposed = open_exposure(self)
        if exposed is None:
            if self.training:
                raise KeysError(
                    f"{self.title()} ran in train mode without keys, so it cannot know "
                    "whose units to keep; wrap forward and backward in "
                    "`with exposure(model, keys):`, or call `model.eval()` for the full network."
                )
            return x
        if exposed.side is None:
            return x
        exposed.begun += 1
        if torch._C._get_tracing_state() is not None or torch.compiler.is_exporting():
            raise ModelError(
                f"{self.title()} was traced under keys, and a trace would keep their masks for "
                "every row; trace outside the exposure, where it is the full network."
            )
        dim = self.unit_dim(x)
        row_dim = self.row_dim % x.ndim
        self._fit_size(x.shape[dim], dim)
        exposed.check_rows(x.shape[row_dim], self.title())
        mask = exposed.mask(self, x)  # (B, units)
        shape = [1] * x.ndim  # (B, 1, ..., units), or where else rows and units stand
        shape[row_dim], shape[dim] = mask.shape
        if dim < row_dim:
            mask = mask.T
        return x * mask.reshape(shape)  # an activation of one row broadcasts here, in a scan

    def unit_dim(self, x: Tensor) -> int:
        """The non-negative dimension of x that holds the units."""
        if not isinstance(x, Tensor) or x.is_nested or x.ndim < 2:
            shape = tuple(x.shape) if isinstance(x, Tensor) and not x.is_nested else type(x)
            raise ModelError(
                f"{self.title()} got an activation of shape {shape}; it needs a plain tensor with "
                "rows first and units in another dimension."
            )
        dim = self.dim if self.dim is not None else (1 if x.ndim >= 4 else -1)
        if dim % x.ndim == self.row_dim % x.ndim:
            raise ModelError(
                f"{self.title()} takes dimension {dim} of a {x.ndim}-D activation for its rows and "
                "for its units; say `dim=` or `row_dim=` so that they differ."
            )
        return dim % x.ndim

    def title(self) -> str:
        """How errors name this layer."""
        number = "not numbered yet" if self.layer is None else f"number {self.layer}"
        return f"The turn-over layer {number} ({self.size or 'any'} units)"

    def spec(self) -> dict[str, float | int | bool | None]:
        """What decides its masks, as plain values for run records and messages."""
        return {name: getattr(self, name) for name in SPEC_FIELDS}

    def extra_repr(self) -> str:
        """Shown by `print(model)`."""
        return ", ".join(f"{name}={value}" for name, value in self.spec().items())

    def configure(
        self, *, layer: int | None = None, size: int | None = None, twin: bool | None = None
    ) -> None:
        """Settle what was left open: the number within the model, the size, twin units."""
        self.layer = self.layer if layer is None else layer
        self.size = self.size if size is None else size
        self.twin = self.twin if twin is None else twin
        if self.size is not None:
            own_units(self.size, self.p, self.twin)
        self.mask_spec.copy_(self._spec())

    def _fit_size(self, units: int, dim: int) -> None:
        if self.size is None:
            self.configure(size=units)
        elif units != self.size:
            raise ModelError(
                f"{self.title()} met an activation with {units} units in dimension {dim}; give "
                "the layer the size of the activation, or say `dim=` if the units lie elsewhere."
            )

    def _spec(self) -> Tensor:
        numbers = (
            UNKNOWN if self.size is None else self.size,
            round(self.p * 2**PRECISION),  # exactly what the masks honour
            self.seed,
            UNKNOWN if self.layer is None else self.layer,
            int(self.twin),
        )
        return torch.tensor(numbers, dtype=torch.int64)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        stored = state_dict.get(prefix + "mask_spec")
        if stored is not None:
            self._adopt(stored)
            refuse_other_masks(prefix.rstrip("."), self, stored)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if stored is not None and UNKNOWN in stored.tolist():
            self.mask_spec.copy_(self._spec())

    def _adopt(self, stored: Tensor) -> None:
        """Take size and number from a checkpoint where this layer has none of its own."""
        values = dict(zip(SPEC_FIELDS, stored.tolist(), strict=True))
        if self.size is None and values["size"] != UNKNOWN:
            self.size = values["size"]
        if self.layer is None and values["layer"] != UNKNOWN:
            self.layer = values["layer"]


def turnover_layers(model: nn.Module) -> dict[str, TurnoverDropout]:
    """All turn-over layers of a model by name, in the order of `model.modules()`."""
    return {name: m for name, m in model.named_modules() if isinstance(m, TurnoverDropout)}


def number_layers(model: nn.Module) -> dict[str, TurnoverDropout]:
    """Number the layers that have no number yet, with the lowest free ones.

    Raises:
        ModelError: if the model has no turn-over layer, or two share a seed and a number, which
            would give them the same masks.
    """
    layers = turnover_layers(model)
    if not layers:
        raise ModelError(
            f"{type(model).__name__} has no turn-over layer, so no row has a mask in it; "
            "call `inject(model)` or put a TurnoverDropout where units should be split."
        )
    _check_parents(model)
    free = _unused([layer.layer for layer in layers.values()])
    for layer in layers.values():
        if layer.layer is None:
            layer.configure(layer=next(free))
    seen: dict[tuple[int, int | None], str] = {}
    for name, layer in layers.items():
        other = seen.setdefault((layer.seed, layer.layer), name)
        if other != name:
            raise ModelError(
                f"The turn-over layers {other!r} and {name!r} share seed {layer.seed} and number "
                f"{layer.layer}, so every row would get the same mask in both; give one of "
                "them another `layer=`."
            )
    return layers


def _check_parents(model: nn.Module) -> None:
    """Refuse a layer inside a module of PyTorch that knows its dropout as a number only."""
    for name, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
            inside = [child for child, m in module.named_children() if type(m) is TurnoverDropout]
            if inside:
                raise ModelError(
                    f"{name or 'the model'}.{inside[0]} is a turn-over layer, but "
                    f"{type(module).__name__} takes its dropout as a number and never calls a "
                    "module; put the layer after it instead."
                )


def _unused(taken: Iterable[int | None]) -> Iterator[int]:
    used = set(taken)
    return (number for number in count() if number not in used)


def check_checkpoint(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint whose turn-over layers differ, before anything is loaded.

    Args:
        model: the model that is about to load `state`.
        state: a state dict.

    Raises:
        MismatchError: naming the first layer that is missing, surplus or makes other masks.
    """
    suffix = "mask_spec"
    stored = {
        name[: -len(suffix)].rstrip("."): tensor
        for name, tensor in state.items()
        if name == suffix or name.endswith("." + suffix)
    }
    layers = turnover_layers(model)
    for name in [*layers, *stored]:
        if name not in stored or name not in layers:
            where = "the checkpoint" if name not in stored else "this model"
            raise MismatchError(
                f"The turn-over layer {name!r} does not exist in {where}: the checkpoint has "
                f"{len(stored)} and the model {len(layers)}; inject the layers as they were "
                "when the checkpoint was written."
            )
    for name, layer in layers.items():
        refuse_other_masks(name, layer, stored[name])


def refuse_other_masks(name: str, layer: TurnoverDropout, stored: Tensor) -> None:
    """Raise MismatchError if `stored`, another layer's `mask_spec`, describes other masks."""
    own = layer._spec().tolist()
    there = stored.tolist()
    if len(own) != len(there):
        raise MismatchError(
            f"The checkpoint's turn-over layer {name!r} was written by another version."
        )
    for field, a, b in zip(SPEC_FIELDS, own, there, strict=True):
        if a != b and UNKNOWN not in (a, b):
            shown = (a / 2**PRECISION, b / 2**PRECISION) if field == "p" else (a, b)
            raise MismatchError(
                f"The turn-over layer {name!r} has {field} = {shown[0]}, but the checkpoint was "
                f"trained with {field} = {shown[1]}: its rows own other masks. Build the "
                "model with the checkpoint's settings, or train again."
            )
