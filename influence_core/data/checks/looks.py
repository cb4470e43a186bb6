"""What is looked at of pictures: small grey versions for `near`, and what `quality` measures.

Each picture is decoded once for both; of many, a seeded sample is looked at.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.quality import Measured, measured
from influence_core.data.dataset import Dataset
from influence_core.data.images import open_image, pixels_of
from influence_core.errors import DataError
from influence_core.progress import check_cancel

F32 = npt.NDArray[np.float32]
Place = tuple[str, int]  # split, position

MOST = 50_000  # rows that are looked at
SIDE, FRAME = 16, 48  # pixels of the small picture, and of that in which crops are sought
_NEAR = 128  # pixels of the longer side at which greys are measured
_BILINEAR = 2  # PIL.Image.Resampling.BILINEAR; Pillow is loaded where pictures are
_SEED = 0x6E72


@dataclass(frozen=True, eq=False)
class Looks:
    """What was measured of the pictures that can be read.

    Attributes:
        places: of each.
        small: (n, SIDE²) grey, 0 to 255.
        frames: of each (height, width) grey, FRAME pixels of the longer side at most.
        measured: of each what `quality.measured` tells; {} without its extra.
    """

    places: list[Place]
    small: F32
    frames: list[npt.NDArray[np.uint8]]
    measured: list[Measured]


def places_of(dataset: Dataset) -> list[Place]:
    """All rows of all splits, or a sample of `MOST`, in order."""
    every = [(split.name, at) for split in dataset for at in range(len(split))]
    if len(every) <= MOST:
        return every
    chosen = np.random.default_rng(_SEED).choice(len(every), MOST, replace=False)
    return [every[i] for i in np.sort(chosen).tolist()]


def looks_of(dataset: Dataset, cancel: threading.Event | None = None) -> Looks:
    """Decode each picture once, small; those that cannot be read are another finding's.

    Raises:
        CancelledError: `cancel` was set.
    """
    places, small, frames, told = [], [], [], []
    for name, at in places_of(dataset):
        check_cancel(cancel)
        with suppress(DataError):
            data = dataset.split(name).image_bytes(at)
            image, size = open_image(data, near=_NEAR), pixels_of(data)
            image.thumbnail((2 * _NEAR, 2 * _NEAR))
            told.append(measured(image, size))
            grey = image.convert("L")
            small.append(np.asarray(grey.resize((SIDE, SIDE), _BILINEAR), np.float32).ravel())
            grey.thumbnail((FRAME, FRAME))
            frames.append(np.asarray(grey))
            places.append((name, at))
    flat = np.array(small, np.float32).reshape(-1, SIDE * SIDE)
    return Looks(places, flat, frames, told)
