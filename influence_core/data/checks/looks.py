"""The findings about how pictures look: dark, bright, empty, blurred, of an odd size or shape.

The kinds are those of CleanVision, measured on a small grey version of each picture, which
`near.near_copies` compares as well: each is decoded once for both. A size or a blur is odd only
beside the other pictures of the data set; of many, a seeded sample is looked at.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.finding import Finding, Found, rows_have
from influence_core.data.dataset import Dataset
from influence_core.data.images import open_image, pixels_of
from influence_core.errors import DataError
from influence_core.progress import check_cancel

F32 = npt.NDArray[np.float32]
Place = tuple[str, int]  # split, position

MOST = 50_000  # rows that are looked at
SIDE, FRAME = 16, 48  # pixels of the small picture, and of that in which crops are sought
DARK, BRIGHT = 0.2, 0.95  # of white: all but the brightest, or darkest, hundredth is beyond it
EMPTY = 0.5  # bits of a pixel, of at most 8
BLURRED, LEAST_SHARP = 0.1, 64  # of the usual sharpness; pixels from which on blur can be told
LARGER, LONGER = 4.0, 3.0  # times the usual side, and the usual shape
_NEAR = 128  # pixels of the longer side at which greys are measured
_BILINEAR = 2  # PIL.Image.Resampling.BILINEAR; Pillow is loaded where pictures are
_SEED = 0x6E72
ADVICE = "A model learns little from such pictures: save them again, or delete their files."


@dataclass(frozen=True, eq=False)
class Looks:
    """What was measured of the pictures that can be read.

    Attributes:
        places: of each.
        small: (n, SIDE²) grey, 0 to 255.
        frames: of each (height, width) grey, FRAME pixels of the longer side at most.
        size: (n, 2) width and height in pixels.
        low, high: (n,) the darkest and the brightest hundredth, 0 to 1.
        bits: (n,) entropy of the greys.
        sharp: (n,) variance of the Laplacian, in squared greys; NaN for pictures too small to tell.
    """

    places: list[Place]
    small: F32
    frames: list[npt.NDArray[np.uint8]]
    size: F32
    low: F32
    high: F32
    bits: F32
    sharp: F32


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
            grey = open_image(data, near=_NEAR).convert("L")
            size = pixels_of(data)
            grey.thumbnail((2 * _NEAR, 2 * _NEAR))
            told.append((*size, *_measured(np.asarray(grey, np.float32))))
            small.append(np.asarray(grey.resize((SIDE, SIDE), _BILINEAR), np.float32).ravel())
            grey.thumbnail((FRAME, FRAME))
            frames.append(np.asarray(grey))
            places.append((name, at))
    values = np.array(told, np.float32).reshape(-1, 6)
    flat = np.array(small, np.float32).reshape(-1, SIDE * SIDE)
    return Looks(places, flat, frames, values[:, :2], *values[:, 2:].T)


def odd_looks(dataset: Dataset, looks: Looks) -> Found:
    """Pictures of each kind, by split."""
    for what, odd in _kinds(looks):
        for split in dataset:
            own = [looks.places[i] for i in np.flatnonzero(odd).tolist()]
            rows = np.array([at for name, at in own if name == split.name], dtype=np.int64)
            if rows.size:
                told = rows_have(rows, what, split)
                yield Finding("odd-pictures", "note", told, split.name, rows, ADVICE)


def _kinds(looks: Looks) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    if not looks.places:
        return
    dark, bright = looks.high < DARK, looks.low > BRIGHT
    yield "a picture that is dark all over", dark
    yield "a picture that is bright all over", bright
    yield "a picture with next to nothing in it", (looks.bits < EMPTY) & ~dark & ~bright
    known = np.isfinite(looks.sharp)
    if known.any():
        usual = np.median(looks.sharp[known])
        yield "a picture more blurred than the others", known & (looks.sharp < BLURRED * usual)
    side = np.log(looks.size.prod(1)) / 2
    yield "a picture of another size than the others", _far(side, LARGER)
    shape = np.log(looks.size[:, 0] / looks.size[:, 1])
    yield "a picture of another shape than the others", _far(shape, LONGER)


def _far(logs: F32, times: float) -> npt.NDArray[np.bool_]:
    """Which are so many times above or below the middle one."""
    return np.asarray(np.abs(logs - np.median(logs)) > np.log(times))


def _measured(grey: F32) -> tuple[float, float, float, float]:
    low, high = np.percentile(grey, (1, 99)) / 255
    share = np.bincount(grey.astype(np.uint8).ravel(), minlength=256) / grey.size
    share = share[share > 0]
    bits = float(-(share * np.log2(share)).sum())
    if min(grey.shape) < LEAST_SHARP:
        return float(low), float(high), bits, np.nan
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(low), float(high), bits, float((around - 4 * inner).var())
