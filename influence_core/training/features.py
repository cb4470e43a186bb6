"""Feature rows on demand: standardised, on the training device, from memory or a mapped file.

Mean and scale are those of the training rows and belong to the run: every other row, and the box
where a user types a sentence, passes through the same two vectors.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.errors import DataError
from influence_core.models.device import memory_budget, sent, sent_array
from influence_core.training.heads.types import Features

_CHUNK = 16_384
# Arrays up to this many float32 bytes are standardised once and kept; larger ones stay mapped.
RESIDENT_BYTES = 1 << 30
_SHARE = 4  # of a device's free memory, so much may be filled with one array


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
        here = cls(raw, mean.to(device), scale.to(device))
        fits = raw.shape[0] * raw.shape[1] * 4 <= resident_bytes(here.mean.device)
        return replace(here, resident=here._standardised()) if fits else here

    def __len__(self) -> int:
        return len(self.raw)

    def rows(self, index: Tensor) -> Tensor:
        """(B,) positions to (B, d) float32, to be read only.

        Consecutive positions of resident rows are a view, not a copy: a scan reads each row once.
        """
        if self.resident is not None and index.device.type != "cpu":
            return self.resident[index]  # to look whether they are consecutive would take a wait
        span = consecutive(index)
        if self.resident is not None:
            return self.resident[sent(index, self.resident.device) if span is None else span]
        return self._read(index.cpu().numpy() if span is None else span)

    def _read(self, which: slice | npt.NDArray[np.int64]) -> Tensor:
        """Rows from the file, standardised on the device; float16 travels as it is."""
        device = self.mean.device
        part = np.asarray(self.raw[which])
        kind = np.float16 if device.type != "cpu" and part.dtype == np.float16 else np.float32
        return sent_array(part, kind, device).float().sub_(self.mean).mul_(self.scale)

    def _standardised(self) -> Tensor:
        """All rows, block by block."""
        out = torch.empty(self.raw.shape, dtype=torch.float32, device=self.mean.device)
        for start in range(0, len(out), _CHUNK):
            part = slice(start, start + _CHUNK)
            out[part] = self._read(part)
        return out


def resident_bytes(device: torch.device) -> int:
    """How large an array may be, as float32, to be kept on the device."""
    if device.type == "cpu":
        return RESIDENT_BYTES
    return memory_budget(device) // _SHARE


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
        return self.base.rows(self.positions[sent(index, self.positions.device)])


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
