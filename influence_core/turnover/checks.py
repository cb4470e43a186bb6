"""Do the masks act as they must? A few rows decide it, before any number is shown.

An exposure already refuses a layer that was never called. What it cannot see from inside one pass
is found here by comparing passes: masks that lie along another dimension than the rows (time first,
with as many steps as rows), a row that reads its neighbours, and sides that do not differ at all.
Called by the audit, by network training and by the general scan.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.turnover.calls import Inputs, logits_of, row_count, take_rows
from influence_core.turnover.exposed import Side
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import turnover_layers
from influence_core.turnover.prefix import eval_shell

PROBE_KEYS = torch.tensor([0x5DEECE66D, 0xB, 0x2545F4914F6CDD1D])
SAME_ROW = 1e-3  # of the largest logit: float32 rounding passes, another row's mask does not
SAME_SIDE = 1e-5  # of the largest logit: what two orders of summation may differ by
SHOWN = 4  # names of layers in a message


def same(a: Tensor | None, b: Tensor, tolerance: float = SAME_ROW) -> bool:
    """Whether two sets of logits agree but for rounding in their precision."""
    if a is None or a.shape != b.shape:
        return False
    if not a.numel():
        return True
    allowed = max(tolerance, 8 * torch.finfo(b.dtype).eps) if b.dtype.itemsize < 4 else tolerance
    return bool((a - b).abs().max() <= allowed * b.abs().max())


@torch.no_grad()
def check_masks(model: nn.Module, inputs: Inputs, *, fresh: bool = False) -> None:
    """Refuse a network whose masks do not act row by row, or do not act at all.

    Three rows, and two of them in another order: masks along time, or along rows that the network
    has sorted, fit one of the two passes at most. Twin bits are off here, because twins that were
    not trained yet are equal on both sides by design.

    Args:
        model: with turn-over layers; it is not changed.
        inputs: at least one row, on the model's device.
        fresh: not trained yet: zeros that training will move (a last layer that starts at zero)
            hide no mask then.

    Raises:
        ModelError, KeysError: says what stands where rows should, or names the layers.
    """
    last = row_count(inputs) - 1
    rows = torch.tensor([0, last // 2, last])
    inputs = take_rows(inputs, rows)
    shell = eval_shell(model)
    layers = turnover_layers(shell)
    for layer in layers.values():
        layer.twin = False  # of the shell only
    if fresh:
        _wake(shell)
    _logits(shell, inputs)
    learned, flipped = (_logits(shell, inputs, PROBE_KEYS, side) for side in ("learned", "flipped"))
    swapped = _logits(shell, take_rows(inputs, [2, 0]), PROBE_KEYS[[2, 0]], "learned")
    if not learned.isfinite().all():
        raise ModelError(
            f"{type(model).__name__} gives logits that are not finite; it diverged in training, or "
            "its weights or inputs are damaged."
        )
    if not same(swapped, learned[[2, 0]]):
        raise ModelError(
            f"A row's logits of {type(model).__name__} change with the rows beside it or with "
            "their order, so they do not follow the row's own mask: in every activation that is "
            "masked the rows must keep their places (`row_dim=` where they are not first), and "
            "nothing in eval mode may be random or mix rows."
        )
    # Only differences between classes count: (3, C) around each row's mean.
    centred = [x - x.mean(1, keepdim=True) for x in (learned, flipped)]
    if same(centred[0], centred[1], SAME_SIDE):
        names = [repr(name) for name in layers]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise ModelError(
            f"Both sides give the same logits, so every score would be zero: the masks of "
            f"{', '.join(names[:SHOWN])}{more} do not reach the output; put the layers on units "
            "that the logits depend on, and train a network whose last layer is still zero."
        )


def without_zeros(parameter: Tensor) -> Tensor:
    """The same values, with small random ones in the place of exact zeros; always the same."""
    rng = torch.Generator().manual_seed(3)
    noise = torch.randn(parameter.shape, generator=rng).to(parameter.device, parameter.dtype)
    return torch.where(parameter.detach() == 0, 0.05 * noise, parameter.detach())


@contextmanager
def awake(model: nn.Module) -> Iterator[tuple[str, ...]]:
    """Trainable parameters without zeros, in place, and back again.

    A weight that starts at zero (a new head, LoRA's B) lets no gradient through, though it will
    after the first step of training. Yields the names of the weights that were nothing but zero.
    """
    found = [(n, p, p.detach() == 0) for n, p in model.named_parameters() if p.requires_grad]
    found = [(name, p, zero) for name, p, zero in found if zero.any()]
    kept = [p.detach()[zero] for _, p, zero in found]  # zeros have a sign, too
    with torch.no_grad():
        for _, p, _ in found:
            p.copy_(without_zeros(p))
    try:
        yield tuple(n for n, _, zero in found if zero.all() and not n.endswith("bias"))
    finally:
        with torch.no_grad():
            for (_, p, zero), values in zip(found, kept, strict=True):
                p[zero] = values


def _wake(shell: nn.Module) -> None:
    """Give a shell trainable parameters without zeros, of its own; tied ones stay tied."""
    made: dict[int, nn.Parameter] = {}
    for module in shell.modules():
        for p in module._parameters.values():
            if p is not None and p.requires_grad:
                made.setdefault(id(p), nn.Parameter(without_zeros(p)))
        module._parameters = {
            name: p if p is None else made.get(id(p), p) for name, p in module._parameters.items()
        }


def _logits(
    shell: nn.Module, inputs: Inputs, keys: Tensor | None = None, side: Side | None = None
) -> Tensor:
    with exposure(shell, keys, side):
        logits = logits_of(shell, inputs)
    rows = row_count(inputs)
    if len(logits) != rows:
        raise ModelError(
            f"The model gives {len(logits)} rows of logits for {rows} rows of inputs; its inputs "
            "and its logits must have the rows first."
        )
    return logits
