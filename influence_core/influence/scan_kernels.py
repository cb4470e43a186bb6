"""The compiled scan: hash a key to mask bytes, add one table row a byte, take the losses.

For one target the head's hidden activations are fixed, so a member's learned logits are
base + Σ_j table[j, byte_j]: 256 precomputed partial sums for each byte of the mask. Hashing a row
costs a few multiplications a word, and nothing of size N × units exists anywhere.
Called by `turnover_scores`; equal to its torch path within float32 rounding (tested).
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import WORD_BITS, own_units, planes, stream_seed
from influence_core.turnover.masks_numba import mix, word

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MaskStream:
    """What hashing needs: one seed a member, the bits of p, and how many units draw bits."""

    seeds: npt.NDArray[np.uint64]
    expansion: npt.NDArray[np.bool_]
    own: int
    twin: bool

    @classmethod
    def of(cls, config: HeadConfig) -> "MaskStream":
        """The stream of a head."""
        return cls(
            seeds=np.array(
                [stream_seed(config.seed, e) for e in range(config.members)], dtype=np.uint64
            ),
            expansion=np.array(planes(config.p), dtype=np.bool_),
            own=own_units(config.width, config.p, config.twin),
            twin=config.twin,
        )

    @property
    def bytes(self) -> int:
        """Mask bytes of one member, whole words."""
        return math.ceil(self.own / WORD_BITS) * WORD_BITS // 8


def byte_tables(contributions: F32, stream: MaskStream) -> tuple[F32, F32]:
    """Partial sums of one target.

    Args:
        contributions: (E, H, C), what each unit adds to the learned logits when its bit is set.
        stream: the head's masks.

    Returns:
        base (E, C), the learned logits when no own bit is set, and table (E, bytes, 256, C).
    """
    members, _, classes = contributions.shape
    own = contributions[:, : stream.own]
    base = np.zeros((members, classes), dtype=np.float32)
    if stream.twin:  # a twin is on exactly when its partner is off
        base = contributions[:, stream.own :].sum(1)
        own = own - contributions[:, stream.own :]
    padded = np.zeros((members, stream.bytes * 8, classes), dtype=np.float32)
    padded[:, : stream.own] = own
    by_byte = padded.reshape(members, stream.bytes, 8, classes)
    table = np.zeros((members, stream.bytes, 256, classes), dtype=np.float32)
    for bit in range(8):  # doubling: entries with this bit set are those without it, plus one unit
        table[:, :, 1 << bit : 2 << bit] = table[:, :, : 1 << bit] + by_byte[:, :, bit : bit + 1, :]
    return base, table


def scan_rows(
    keys: npt.NDArray[np.uint64], stream: MaskStream, base: F32, table: F32, full: F32, label: int
) -> tuple[F32, F32]:
    """Influence of every key on one target: mean over members and its standard error, (n,) each.

    `full` (E, C) is learned plus flipped logits, the sum of all contributions.
    """
    mean = np.empty(len(keys), dtype=np.float32)
    stderr = np.empty(len(keys), dtype=np.float32)
    _scan(
        np.ascontiguousarray(keys),
        stream.seeds,
        stream.expansion,
        base,
        table,
        full,
        label,
        mean,
        stderr,
    )
    return mean, stderr


@numba.njit(parallel=True, fastmath=True, cache=True)
def _scan(keys, seeds, expansion, base, table, full, label, mean, stderr):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    members, bytes_, _, classes = table.shape
    for row in numba.prange(keys.shape[0]):
        learned = np.empty(classes, dtype=np.float32)
        total = 0.0
        square = 0.0
        for e in range(members):
            state = mix(keys[row] + seeds[e])
            learned[:] = base[e]
            for w in range(bytes_ // 8):
                bits = word(state, w, expansion)
                for j in range(8):
                    entry = table[
                        e, w * 8 + j, np.int64((bits >> np.uint64(8 * j)) & np.uint64(255))
                    ]
                    for c in range(classes):
                        learned[c] += entry[c]
            gap = _gap(learned, full[e], label, classes)
            total += gap
            square += gap * gap
        average = total / members
        mean[row] = average
        if members > 1:
            spread = max(square - members * average * average, 0.0) / (members - 1)
            stderr[row] = math.sqrt(spread / members)
        else:
            stderr[row] = np.nan


@numba.njit(inline="always", fastmath=True, cache=True)
def _gap(learned, full, label, classes):  # type: ignore[no-untyped-def]
    """Flipped loss minus learned loss from learned logits and full = learned + flipped."""
    high = learned[0]
    high_flipped = full[0] - learned[0]
    for c in range(1, classes):
        high = max(high, learned[c])
        high_flipped = max(high_flipped, full[c] - learned[c])
    sum_learned = np.float32(0.0)
    sum_flipped = np.float32(0.0)
    for c in range(classes):
        sum_learned += math.exp(learned[c] - high)
        sum_flipped += math.exp(full[c] - learned[c] - high_flipped)
    loss_learned = math.log(sum_learned) + high - learned[label]
    loss_flipped = math.log(sum_flipped) + high_flipped - (full[label] - learned[label])
    return loss_flipped - loss_learned
