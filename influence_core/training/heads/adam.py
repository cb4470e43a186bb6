"""Adam (Kingma & Ba 2015) for the parameters of heads: torch's own step, by its function.

The class `torch.optim.Adam` makes the same step to the bit, but loads torch's compiler first: a
second or two of every process that trains. Called by `loop`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

from influence_core.training.heads.types import HeadTraining

BETA1, BETA2 = 0.9, 0.999


@dataclass(frozen=True)
class OptimiserState:
    """Where Adam stands: steps made, and both moments of each parameter."""

    steps: float
    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]


class Adam:
    """Changes its parameters in place."""

    def __init__(self, params: Sequence[Tensor], training: HeadTraining) -> None:
        """Begin without moments."""
        self.params, self.training = list(params), training
        self.device = params[0].device
        self.fused = self.device.type in ("cpu", "cuda")
        self.gradients: list[Tensor] = []  # of the last step
        self.go_on_from(None)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step with these gradients, shaped like the parameters."""
        self.gradients = list(gradients)
        adam(
            self.params, self.gradients, self.first, self.second, [], self.steps,
            foreach=False, fused=self.fused, amsgrad=False, beta1=BETA1, beta2=BETA2,
            lr=self.training.learning_rate, weight_decay=self.training.weight_decay,
            eps=self.training.eps, maximize=False,
        )  # fmt: skip

    def state(self, steps: float | None = None) -> OptimiserState:
        """Where it stands; who knows how many steps were made need not wait for the device."""
        made = float(self.steps[0]) if steps is None else steps
        return OptimiserState(made, tuple(self.first), tuple(self.second))

    def go_on_from(self, state: OptimiserState | None) -> None:
        """Stand where another one stood, or at the start."""
        if state is None:
            self.first = [torch.zeros_like(param) for param in self.params]
            self.second = [torch.zeros_like(param) for param in self.params]
        else:
            self.first = [m.to(self.device, copy=True) for m in state.first]
            self.second = [v.to(self.device, copy=True) for v in state.second]
        # The fused form counts on the parameters' device.
        place = self.device if self.fused else torch.device("cpu")
        made = 0.0 if state is None else state.steps
        self.steps = [torch.full((), made, device=place) for _ in self.params]
