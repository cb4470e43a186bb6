"""One `Accelerator` for whatever runs this process: alone, or under `accelerate launch`.

Accelerate keeps its choices in process-wide state and refuses a second set. Alone in a process
(tests, notebooks, several runs after another) that state is ours to clear; under a launcher it
is the launcher's and stays.
"""

import os
from typing import TYPE_CHECKING

import torch

from influence_core.errors import ModelError
from influence_core.models.device import pick_device

if TYPE_CHECKING:  # loaded where a whole network is trained, and nowhere else
    from accelerate import Accelerator

PRECISIONS = ("auto", "no", "bf16", "fp16")


def make_accelerator(device: str, precision: str) -> "Accelerator":
    """An Accelerator on a device.

    A batch is split among processes, so its size, and with it the training, does not depend on how
    many there are.

    Args:
        device: "auto", "cuda", "mps" or "cpu". precision: one of `PRECISIONS`.

    Raises:
        ModelError: there is no such device or precision.
    """
    from accelerate import Accelerator, DataLoaderConfiguration
    from accelerate.state import AcceleratorState, GradientState, PartialState

    if precision not in PRECISIONS:
        raise ModelError(f"There is no precision {precision!r}; choose one of {PRECISIONS}.")
    kind = pick_device(device).type
    if PartialState._shared_state and PartialState().num_processes == 1:
        AcceleratorState._reset_state(reset_partial_state=True)
        # A Trainer that accumulated gradients before us would else leave "do not step" behind.
        GradientState._reset_state()
    return Accelerator(
        cpu=kind == "cpu",
        mixed_precision=_precision(kind) if precision == "auto" else precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
    )


def first_process() -> bool:
    """Whether this process speaks for all: it is alone, or the first under a launcher."""
    return os.environ.get("RANK", "0") == "0"


def wait_for_all() -> None:
    """Let no process of a launch run ahead; nothing to wait for alone."""
    from accelerate.state import PartialState

    PartialState().wait_for_everyone()


def _precision(kind: str) -> str:
    """Half precision where it pays: bfloat16 if the GPU has it, else float16."""
    if kind != "cuda":
        return "no"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
