"""Settings, records and results of training a whole network: plain values, saved beside a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from influence_core.training.networks.rows import NetworkRows

Watch = Literal["flipped", "valid", "nothing"]


@dataclass(frozen=True)
class NetworkTraining:
    """How to train. `patience` epochs in which what is watched is clearly worse end it.

    Clearly: by more than one standard error above its minimum. Of the epochs that cannot be told
    apart the last is kept: a pretrained network starts near its best, and the falling learning
    rate still improves it.

    The learning rate rises over the first tenth of all steps and falls linearly to zero. `device`
    and `precision` "auto" take what the machine has; `precision` is "no", "bf16" or "fp16".
    """

    epochs: int = 8
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    watch: Watch = "flipped"
    patience: int = 2
    probe_rows: int = 2_000
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 0

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step in [0, steps)."""
        warm = max(1, steps // 10)
        return self.learning_rate * min((step + 1) / warm, (steps - step) / max(1, steps - warm), 1)


@dataclass(frozen=True)
class NetworkEpoch:
    """After one epoch: losses in nats on the probed training rows, valid and test; NaN if none.

    `flipped_error` is 1 − p(label) on the flipped side, with its standard error over rows.
    """

    epoch: int
    learned_loss: float
    flipped_loss: float
    flipped_error: float
    flipped_stderr: float
    flipped_accuracy: float
    valid_loss: float
    valid_stderr: float
    valid_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class NetworkFit:
    """What training leaves; the model itself holds `state`.

    Attributes:
        state: trainable parameters and buffers of the best epoch (`load_learned` puts them back).
        epochs: the best epoch, counted from 1; of a foreign loop what it tells, or 0.
        history: one entry an epoch.
    """

    state: Mapping[str, Tensor]
    epochs: float
    history: tuple[NetworkEpoch, ...]


@dataclass(frozen=True)
class NetworkData:
    """Rows to train on, and labelled rows to watch: `test` is measured and chooses nothing."""

    train: NetworkRows
    valid: NetworkRows | None = None
    test: NetworkRows | None = None
