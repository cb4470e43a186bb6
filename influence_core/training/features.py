"""Feature rows on demand: standardised, on the training device, from memory or a mapped file.

Mean and scale are those of the training rows and belong to the run: every other row, and the box
where a user types a sentence, passes through the same two vectors.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.errors import DataError
from influence_core.training.heads.types import Features

_CHUNK = 16_384
# Arrays up to this many float32 bytes are standardised once and kept; larger ones stay mapped.
RESIDENT_BYTES = 1 << 30


@dataclass(frozen=True)
class Standardised:
    """(N, d) rows as (x − mean) · scale, where scale is one over the standard deviation."""

    raw: npt.NDArray[np.floating] | Tensor  # (N, d); a memory map stays on disk
    mean: Tensor  # (d,)
    scale: Tensor  # (d,)
    resident: Tensor | None = None  # (N, d) standardised, if it fits

    @classmethod
    def fit(
        cls, raw: npt.NDArray[np.floating], device: torch.device | str = "cpu"
    ) -> "Standardised":
        """Measure mean and scale on these rows, in chunks."""
        mean, scale = moments(raw)
        return cls.using(raw, mean, scale, device)

    @classmethod
    def using(
        cls,
        raw: npt.NDArray[np.floating],
        mean: Tensor,
        scale: Tensor,
        device: torch.device | str = "cpu",
    ) -> "Standardised":
        """Standardise with a run's own mean and scale."""
        if raw.ndim != 2 or raw.shape[1] != len(mean):
            raise DataError(
                f"Features of shape {raw.shape} do not fit a model of {len(mean)} features; "
                "encode the data with the encoder that the run was trained on."
            )
        mean, scale = mean.to(device), scale.to(device)
        resident = None
        if raw.shape[0] * raw.shape[1] * 4 <= RESIDENT_BYTES:
            values = torch.from_numpy(np.array(raw, dtype=np.float32)).to(device)
            resident = values.sub_(mean).mul_(scale)
        return cls(raw, mean, scale, resident)

    def __len__(self) -> int:
        return len(self.raw)

    def rows(self, index: Tensor) -> Tensor:
        """(B,) positions to (B, d) float32, to be read only.

        Consecutive positions of resident rows are a view, not a copy: a scan reads each row once.
        """
        span = consecutive(index)
        if self.resident is not None:
            return self.resident[index.to(self.resident.device) if span is None else span]
        part = np.asarray(self.raw[index.cpu().numpy() if span is None else span], dtype=np.float32)
        return torch.from_numpy(part).to(self.mean.device).sub(self.mean).mul_(self.scale)


@dataclass(frozen=True)
class StoredRows:
    """Rows as a feature file holds them, and what would standardise them, on the CPU."""

    raw: npt.NDArray[np.float16]  # (N, d)
    mean: Tensor  # (d,)
    scale: Tensor  # (d,)


def as_stored(features: Features) -> StoredRows | None:
    """The rows before they are standardised, if they are float16 and the arithmetic on the CPU.

    Who multiplies them once can standardise the weights instead, and reads half of the bytes.
    """
    if not isinstance(features, Standardised) or features.mean.device.type != "cpu":
        return None
    if not isinstance(features.raw, np.ndarray) or features.raw.dtype != np.float16:
        return None
    return StoredRows(features.raw, features.mean, features.scale)


@dataclass(frozen=True)
class Subset:
    """Some rows of standardised features, for training without the others."""

    base: Standardised
    positions: Tensor  # (M,) positions in `base`

    def __len__(self) -> int:
        return len(self.positions)

    def rows(self, index: Tensor) -> Tensor:
        """(B,) positions in the subset to (B, d) float32."""
        return self.base.rows(self.positions[index.to(self.positions.device)])


def consecutive(index: Tensor) -> slice | None:
    """The slice that a tensor of positions spells out, if it does."""
    if not len(index):
        return None
    first, last = int(index[0]), int(index[-1])
    if last - first + 1 != len(index):
        return None
    if not torch.equal(index, torch.arange(first, last + 1, device=index.device)):
        return None
    return slice(first, last + 1)


def moments(raw: npt.NDArray[np.floating]) -> tuple[Tensor, Tensor]:
    """Mean and one over standard deviation per feature, (d,) float32 each.

    Features that hardly vary beside the others keep a floor of a hundredth of the mean deviation,
    so a dead unit of the encoder cannot blow up.

    Raises:
        DataError: a value is NaN or infinite; the message names the first row.
    """
    total = np.zeros(raw.shape[1])
    square = np.zeros(raw.shape[1])
    for start in range(0, len(raw), _CHUNK):
        part = np.asarray(raw[start : start + _CHUNK], dtype=np.float64)
        bad = ~np.isfinite(part).all(axis=1)
        if bad.any():
            raise DataError(
                f"The features of row {start + int(bad.argmax())} (counted from 0) hold NaN or "
                "infinity; remove or repair the row and encode again."
            )
        total += part.sum(0)
        square += (part**2).sum(0)
    mean = total / max(len(raw), 1)
    deviation = np.sqrt(np.maximum(square / max(len(raw), 1) - mean**2, 0.0))
    floor = max(float(deviation.mean()) * 0.01, 1e-6)
    scale = 1.0 / np.maximum(deviation, floor)
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(scale.astype(np.float32))
