"""What a frozen network is, as one number: encoders of equal fingerprint give equal features."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def weights_fingerprint(preparation: str, state: Mapping[str, Tensor]) -> str:
    """sha256 hex of all weights, whatever their order, and of how inputs are prepared.

    Args:
        preparation: everything besides weights that changes features.
        state: weights by name.
    """
    digest = hashlib.sha256(preparation.encode())
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
