"""Masks from integers: which hidden units a row may teach.

Every training row owns one fixed mask per turn-over layer (Kobayashi et al. 2020, section 3).
It is never stored: 64 mask bits at a time are the output of a counter-based generator (SplitMix64's
finaliser, Steele, Lea & Flood 2014) over (seed, layer, row key, word). So a mask is the same
on every device, in any batch order, whatever other rows exist, and dropping a row changes no other.

`influence.scan` holds the same function in numba; tests keep the two equal bit for bit.
"""

import math

import numpy as np
import torch
from torch import Tensor

from influence_core.errors import KeysError, ModelError

WORD_BITS = 64
# Bits of precision of a keep probability: p is honoured to 2**-24, and p = 0.5 takes one word.
PRECISION = 24

GAMMA = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
_MASK64 = (1 << 64) - 1


def mix64(x: int) -> int:
    """SplitMix64's finaliser on one Python integer in [0, 2**64)."""
    x = ((x ^ (x >> 30)) * MIX_1) & _MASK64
    x = ((x ^ (x >> 27)) * MIX_2) & _MASK64
    return x ^ (x >> 31)


def stream_seed(seed: int, layer: int) -> int:
    """The 64-bit constant that sets one (seed, layer) apart from every other."""
    return mix64((mix64(seed & _MASK64) + (layer + 1) * GAMMA) & _MASK64)


def planes(p: float) -> list[int]:
    """Binary expansion of p, least significant bit first, without trailing zeros.

    `len(planes(p))` fair words are folded into one word whose bits are one with probability p.
    """
    if not 0.0 < p < 1.0:
        raise ModelError(f"The keep probability p is {p}; it must lie strictly between 0 and 1.")
    scaled = min(max(round(p * 2**PRECISION), 1), 2**PRECISION - 1)
    bits = [(scaled >> i) & 1 for i in range(PRECISION)]
    return bits[bits.index(1) :]


def as_keys(keys: "Tensor | np.ndarray") -> Tensor:
    """Row keys as an int64 tensor; uint64 NumPy keys keep their bit pattern."""
    if isinstance(keys, Tensor):
        if keys.is_floating_point() or keys.dtype == torch.bool or keys.ndim != 1:
            raise KeysError(
                f"Keys must be a 1-D integer tensor, not {keys.dtype} of shape "
                f"{tuple(keys.shape)}; pass the dataset's `key` column."
            )
        return keys.to(torch.int64)
    array = np.asarray(keys)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise KeysError(
            f"Keys must be a 1-D integer array, not {array.dtype} of shape "
            f"{array.shape}; pass the dataset's `key` column."
        )
    return torch.from_numpy(np.ascontiguousarray(array.astype(np.uint64)).view(np.int64))


def _signed(x: int) -> int:
    return x - (1 << 64) if x >= 1 << 63 else x


def _shift_right(x: Tensor, by: int) -> Tensor:
    # Torch shifts int64 arithmetically: clear the copies of the sign bit.
    return (x >> by) & ((1 << (64 - by)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * _signed(MIX_1)
    x = (x ^ _shift_right(x, 27)) * _signed(MIX_2)
    return x ^ _shift_right(x, 31)


def mask_words(keys: Tensor, words: int, *, seed: int, layer: int, p: float = 0.5) -> Tensor:
    """The first `words` mask words of each key.

    Args:
        keys: (B,) int64 keys of the rows (see `as_keys`).
        words: how many 64-unit words.
        seed: the run's mask seed.
        layer: number of the turn-over layer (a member of a head counts as a layer).
        p: probability that a unit is on the learned side.

    Returns:
        (B, words) int64; bit j of word w says whether unit 64·w + j is on the learned side.
    """
    return layer_words(keys, words, seed=seed, layers=range(layer, layer + 1), p=p)[0]


def layer_words(keys: Tensor, words: int, *, seed: int, layers: range, p: float) -> Tensor:
    """`mask_words` of several layers at once, (L, B, words).

    Nothing but the keys comes from elsewhere: on a device masks are computed, not copied.
    """
    expansion = planes(p)
    depth = len(expansion)
    # As `stream_seed` of each layer; int64 products wrap like those of 64 bits without a sign.
    streams = _mix(
        _counted(layers.start + 1, layers.stop + 1, keys) + _signed(mix64(seed & _MASK64))
    )
    state = _mix(keys + streams[:, None])  # (L, B)
    fair = _mix(state[..., None] + _counted(1, words * depth + 1, keys))
    fair = fair.unflatten(-1, (words, depth))
    # Fold from the least significant bit of p: OR halves the distance to 1, AND that to 0.
    word = fair[..., 0]
    for plane, bit in enumerate(expansion[1:], start=1):
        word = (word | fair[..., plane]) if bit else (word & fair[..., plane])
    return word


def _counted(start: int, stop: int, like: Tensor) -> Tensor:
    """These numbers times `GAMMA`, modulo 2**64."""
    return torch.arange(start, stop, device=like.device) * _signed(GAMMA)


def unpack(words: Tensor, units: int, on: float = True, off: float = False) -> Tensor:
    """(..., W) words to (..., units) with `on` where a bit is set and `off` elsewhere.

    Eight units a look-up: shifting each bit out would write eight bytes for it.
    """
    byte = torch.arange(256, device=words.device)[:, None]
    bits = (byte >> torch.arange(8, device=words.device)) & 1  # (256, 8)
    table = torch.where(bits.bool(), on, off)
    places = words.contiguous().view(torch.uint8).int()  # (..., 8 W), least significant first
    return table[places].flatten(-2)[..., :units]


def mask_bits(
    keys: Tensor, units: int, *, seed: int, layer: int, p: float = 0.5, twin: bool = False
) -> Tensor:
    """Which units are on the learned side of each key: (B, units) booleans.

    With `twin`, unit k and unit k + units/2 always carry opposite bits, so each side is exactly
    half the width (needs p = 0.5 and an even number of units).
    """
    own = own_units(units, p, twin)
    words = mask_words(keys, math.ceil(own / WORD_BITS), seed=seed, layer=layer, p=p)
    bits = unpack(words, own)
    return torch.cat([bits, ~bits], dim=1) if twin else bits


def layer_values(
    keys: Tensor, units: int, *, seed: int, layers: range, p: float, on: float, off: float
) -> Tensor:
    """`on` or `off` for the first `units` of each key in each layer, (L, B, units) float32."""
    words = layer_words(keys, math.ceil(units / WORD_BITS), seed=seed, layers=layers, p=p)
    return unpack(words, units, on, off).float()  # also where float64 is torch's default


def own_units(units: int, p: float, twin: bool) -> int:
    """How many units draw bits of their own: all of them, or the first half of twins."""
    if not twin:
        return units
    if p != 0.5 or units % 2:
        raise ModelError(
            f"Twin start needs p = 0.5 and an even width, not p = {p} and {units} units; "
            "change them or switch twin start off."
        )
    return units // 2
