"""A trained network as an encoder: its penultimate features, for everything that works on features.

What estimators, label quality and the box for the user's own sentence need of a network run is what
they need of a frozen encoder: `encode` and a fingerprint. So features of a network run are written
by `models.encode.encode_split` like any others, under the fingerprint of its learned weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from influence_core.disk.fingerprint import of_tensors
from influence_core.models.device import in_chunks
from influence_core.training.networks.kept import KeptNetwork
from influence_core.training.networks.registry import Network
from influence_core.training.networks.sides import LastLinear
from influence_core.turnover.calls import device_of, logits_of, to_device
from influence_core.turnover.prefix import eval_shell

_CHUNK = 64

WEIGHTS = "network/"  # how the names of a network's own tensors begin in a run


@dataclass(frozen=True, eq=False)
class NetworkEncoder:
    """Implements `models.encoders.Encoder` for a network with its learned weights in it."""

    network: Network | KeptNetwork
    name: str
    fingerprint: str
    dim: int  # length of a feature vector

    @classmethod
    def of(cls, network: Network, state: Mapping[str, Tensor]) -> "NetworkEncoder":
        """The encoder of a network that `load_network` built, or that was just trained.

        Args:
            network: with `state` in it. state: the learned weights (`NetworkFit.state`).
        """
        linears = [m for m in network.model.modules() if isinstance(m, nn.Linear)]
        fingerprint = of_tensors(network.settings.to_dict(), state)
        return cls(network, f"network:{fingerprint[:16]}", fingerprint, linears[-1].in_features)

    @property
    def modality(self) -> Literal["image", "text"]:
        """What it encodes."""
        return self.network.modality

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return device_of(self.network.model)

    @torch.no_grad()
    def encode(self, items: Sequence[Any]) -> npt.NDArray[np.float32]:
        """(n, dim) inputs of the last Linear layer, full network."""
        shell = eval_shell(self.network.model)
        last = LastLinear(shell)

        def run(part: slice) -> npt.NDArray[np.float32]:
            inputs = self.network.prepare(items[part])
            with last:
                logits = logits_of(shell, to_device(inputs, self.device))
            return last.input(logits).float().cpu().numpy()

        return np.concatenate(in_chunks(run, len(items), _CHUNK, lower="the size of the inputs"))
