"""Stop and go on between rounds: what each finished round has measured.

The schedule is decided by what is measured alone, so rounds that are told again what they measured
before drop the very rows that they dropped before. Called by `workflow.cleanse`.
"""

import hashlib
from collections.abc import Callable

import torch

from influence_core.cleansing.rounds import Measured, Positions
from influence_core.training.heads.checkpoint import HeadCheckpoint
from influence_core.training.heads.parts_checkpoint import Part, PartsCheckpoint


def fingerprint(positions: Positions) -> str:
    """sha256 of positions in their order."""
    return hashlib.sha256(positions.astype("<i8").tobytes()).hexdigest()


def measured_once(
    parts: PartsCheckpoint | None,
    kept: Positions,
    number: int,
    measure: Callable[[HeadCheckpoint | None], Measured],
) -> Measured:
    """What round `number` with these rows has measured before, or measures now.

    Args:
        parts: rounds that are finished; None keeps none.
        kept: positions of the rows, ascending.
        measure: given where its training is kept.
    """
    if parts is None:
        return measure(None)
    name = f"round {number} {fingerprint(kept)}"
    found = parts.find(name)
    if found is not None:
        harm, stderr = (found.tensors[part].numpy() for part in ("harm", "stderr"))
        return Measured(harm, stderr, **found.figures)
    out = measure(parts.training(name))
    tensors = {"harm": torch.from_numpy(out.harm), "stderr": torch.from_numpy(out.stderr)}
    figures = {
        "choosing_loss": out.choosing_loss,
        "watching_loss": out.watching_loss,
        "choosing_accuracy": out.choosing_accuracy,
        "watching_accuracy": out.watching_accuracy,
    }
    parts.keep(name, Part(tensors, figures))
    return out
