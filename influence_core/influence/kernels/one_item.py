"""One target against a chunk of rows: add up table lines, take the losses.

For one target the head's hidden activations are fixed. Relative to the target's label, a member's
learned logits are full/2 + Σ_u ±d_u over its own units, the sign being the mask bit, and the
flipped logits are full minus that. Sixteen partial sums for each nibble of the mask make it
Σ_j table[j, nibble_j]: no mask, no activation and nothing of size N × units exists anywhere.

The losses shift by the largest logit, so logits of any size are fine here; `batch_kernels` is
faster for many targets but needs them to be of moderate size. Called by `turnover_scores`; equal
to its torch path within float32 rounding (tested).
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from influence_core.influence.kernels.cache_lines import (
    ENTRIES,
    FAST,
    LOOKUPS,
    NIBBLE,
    add_lines,
    exp32,
    log32,
)
from influence_core.influence.kernels.mask_words import Words
from influence_core.threads import in_threads

F32 = npt.NDArray[np.float32]
_WIDTHS = (1, 2, 4, 8, 12, 16, 24, 32)  # lengths of a table line that get compiled
_BLOCK = 2_048  # rows whose logits are held at a time
_PART = 128  # rows whose losses are taken together
_F = np.float32
_U = np.uint64


@dataclass(frozen=True)
class TargetTables:
    """One target made ready for any rows.

    `full` (E, C − 1): logits relative to the label's; `table` (E · tiles · words · 16 · 16, width):
    partial sums of half differences, classes in tiles of `width`.
    """

    full: F32
    table: F32
    width: int

    @classmethod
    def of(cls, units: F32, words: int) -> "TargetTables":
        """Build the tables.

        Args:
            units: (E, 1 + own, C − 1): total relative logits, then the half difference that each
                own unit makes (see `relative_units`).
            words: mask words of a member.
        """
        members, _, classes = units.shape
        width = next((w for w in _WIDTHS if w >= classes), _WIDTHS[-1])
        tiles = math.ceil(classes / width)
        padded = np.zeros((members, words * 64, tiles * width), dtype=np.float32)
        padded[:, : units.shape[1] - 1, :classes] = units[:, 1:]
        by_tile = padded.reshape(members, words * LOOKUPS, NIBBLE, tiles, width)
        by_tile = np.moveaxis(by_tile, 3, 1)  # (E, tiles, lookups, 4, width)
        table = np.zeros((*by_tile.shape[:3], ENTRIES, width), dtype=np.float32)
        for bit in range(NIBBLE):  # doubling: bit set adds the unit, bit clear takes it away
            low, one = table[:, :, :, : 1 << bit], by_tile[:, :, :, bit : bit + 1]
            table[:, :, :, 1 << bit : 2 << bit] = low + one
            low -= one
        return cls(np.ascontiguousarray(units[:, 0]), table.reshape(-1), width)

    def scores(self, words: Words) -> tuple[F32, F32]:
        """Influence of rows with mask words (E, W, n): mean over members and its error, (n,)."""
        rows = words.shape[2]
        mean = np.empty(rows, dtype=np.float32)
        stderr = np.empty(rows, dtype=np.float32)
        width = (0,) * self.width

        def work(start: int) -> None:
            part = slice(start, min(start + _BLOCK, rows))
            _scan(words, start, self.full, self.table, width, mean[part], stderr[part])

        in_threads(work, range(0, rows, _BLOCK))
        return mean, stderr


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def _scan(words, start, full, table, width, mean, stderr):  # type: ignore[no-untyped-def]
    members, per_member = words.shape[:2]
    rows = len(mean)
    classes = full.shape[1]
    tiles = (classes + len(width) - 1) // len(width)
    logits = np.empty((rows + _PART, tiles * len(width)), dtype=np.float32)
    flat = logits.reshape(-1)
    total = np.zeros(rows + _PART, dtype=np.float32)
    square = np.zeros(rows + _PART, dtype=np.float32)
    for e in range(members):
        for row in range(rows):
            for c in range(classes):
                logits[row, c] = full[e, c] * _F(0.5)
        for tile in range(tiles):
            for w in range(per_member):
                first = _U(((e * tiles + tile) * per_member + w) * LOOKUPS * ENTRIES)
                for row in range(rows):
                    at = _U((row * tiles + tile) * len(width))
                    add_lines(flat, at, table, first, words[e, w, start + row], width)
        for part in range(0, rows, _PART):
            _gaps(logits[part:], full[e], total[part:], square[part:])
    summarise(total, square, members, mean, stderr)


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def _gaps(logits, full, total, square):  # type: ignore[no-untyped-def]
    """Add flipped loss − learned loss of _PART rows, and its square.

    The label's own relative logit is 0. Row by row inside, class by class outside: plain vectors.
    """
    classes = full.shape[0]
    high = np.zeros(_PART, dtype=np.float32)
    high_flipped = np.zeros(_PART, dtype=np.float32)
    learned = np.empty((classes, _PART), dtype=np.float32)
    for c in range(classes):
        whole = full[c]
        for row in range(_PART):
            value = logits[row, c]
            learned[c, row] = value
            high[row] = max(high[row], value)
            high_flipped[row] = max(high_flipped[row], whole - value)
    sum_learned = np.empty(_PART, dtype=np.float32)
    sum_flipped = np.empty(_PART, dtype=np.float32)
    for row in range(_PART):
        sum_learned[row] = exp32(-high[row])
        sum_flipped[row] = exp32(-high_flipped[row])
    for c in range(classes):
        whole = full[c]
        for row in range(_PART):
            value = learned[c, row]
            sum_learned[row] += exp32(value - high[row])
            sum_flipped[row] += exp32(whole - value - high_flipped[row])
    for row in range(_PART):
        gap = high_flipped[row] - high[row] + log32(sum_flipped[row] / sum_learned[row])
        total[row] += gap
        square[row] += gap * gap


@numba.njit(nogil=True, cache=True)
def summarise(total, square, members, mean, stderr):  # type: ignore[no-untyped-def]
    """Sums over members of gaps and their squares to mean and standard error of the mean."""
    for row in range(mean.shape[0]):
        average = total[row] / members
        mean[row] = average
        if members > 1:
            spread = max(square[row] - members * average * average, 0.0) / (members - 1)
            stderr[row] = math.sqrt(spread / members)
        else:
            stderr[row] = np.nan
