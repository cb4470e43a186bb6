"""The masks of `masks.py` once more, compiled for the CPU.

Training needs a fresh (B, H) mask for every member and batch; unpacking 64-bit words with tensor
operations costs as much there as the matrix products. These loops write the float masks straight
into the buffer that the training step multiplies with. Tests keep them equal to `masks.py` bit
for bit. Callers: `head.member_masks` and the scan in `influence`.
"""

import math

import numba
import numpy as np
import numpy.typing as npt

from influence_core.threads import in_threads
from influence_core.turnover.masks import (
    GAMMA,
    MIX_1,
    MIX_2,
    WORD_BITS,
    own_units,
    planes,
    stream_seed,
)

_U = np.uint64
_GAMMA = _U(GAMMA)
_MIX_1 = _U(MIX_1)
_MIX_2 = _U(MIX_2)


@numba.njit(inline="always", cache=True)
def mix(x):  # type: ignore[no-untyped-def]
    """SplitMix64's finaliser on one uint64."""
    x = (x ^ (x >> _U(30))) * _MIX_1
    x = (x ^ (x >> _U(27))) * _MIX_2
    return x ^ (x >> _U(31))


@numba.njit(inline="always", cache=True)
def word(state, index, expansion):  # type: ignore[no-untyped-def]
    """Mask word number `index` of the stream `state = mix(key + stream_seed)`."""
    depth = len(expansion)
    first = _U(index * depth)
    out = mix(state + (first + _U(1)) * _GAMMA)
    for plane in range(1, depth):
        fair = mix(state + (first + _U(plane + 1)) * _GAMMA)
        out = (out | fair) if expansion[plane] else (out & fair)
    return out


@numba.njit(nogil=True, cache=True)
def _fill(keys, seed, expansion, own, twin, high, low, out):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Write one member's masks, (B, H)."""
    for row in range(keys.shape[0]):
        state = mix(keys[row] + seed)
        for start in range(0, own, 64):
            bits = word(state, start // 64, expansion)
            for unit in range(start, min(start + 64, own)):
                value = high if (bits >> _U(unit - start)) & _U(1) else low
                out[row, unit] = value
                if twin:
                    out[row, unit + own] = high + low - value


def fill_masks(
    out: npt.NDArray[np.float32],
    keys: npt.NDArray[np.uint64],
    *,
    seed: int,
    layers: range,
    p: float,
    twin: bool,
    flipped: bool = False,
) -> None:
    """Write the scaled masks of `keys` into `out`, (members, B, H) float32: 0 or 1/p.

    `layers` numbers the members' mask streams; `flipped` writes m̃ = 1/p − m instead of m.
    """
    own = own_units(out.shape[2], p, twin)
    seeds = np.array([stream_seed(seed, layer) for layer in layers], dtype=np.uint64)
    expansion = np.array(planes(p), dtype=np.bool_)
    high, low = (0.0, 1.0 / p) if flipped else (1.0 / p, 0.0)
    values = np.float32(high), np.float32(low)
    in_threads(
        lambda e: _fill(keys, seeds[e], expansion, own, twin, *values, out[e]),
        range(len(seeds)),
    )


def words_per_member(width: int, p: float, twin: bool) -> int:
    """How many 64-bit words one member's mask takes."""
    return math.ceil(own_units(width, p, twin) / WORD_BITS)
