"""Many targets against a chunk of rows: multiply odds instead of adding logits.

The exponential of a sum of table entries is a product of exponentials, so with tables of
exp(±d_u) a row needs no exponential at all: with v = exp(Σ ±d_u) and m = exp(full/2), class c has
odds m·v against the label on the learned side and m/v on the flipped side. Targets lie side by
side in vector lanes, and share the hashing and the walk over rows.

Products of large logits overflow, so targets must pass `moderate` first; the others go through
`scan_kernels` one by one. Called by `turnover_scores`.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from influence_core.influence.kernels.cache_lines import (
    ENTRIES,
    FAST,
    LANES,
    LOOKUPS,
    NIBBLE,
    PART_LOOKUPS,
    aligned,
    exp32,
    log32,
    multiply_lines,
    odds_ratio,
)
from influence_core.influence.kernels.mask_words import Words
from influence_core.influence.kernels.one_item import summarise
from influence_core.threads import in_threads

F32 = npt.NDArray[np.float32]
_LINE = 64  # floats of a table line, about
BLOCK = 8_192  # rows that share the tables
_PART = 256  # rows whose products are held at a time
_LIMIT = 80.0  # largest |logit| whose exponential, and its inverse, fit a float32
MOST_CLASSES = 33  # with more, a line and its compiled code grow too long
_F = np.float32
_U = np.uint64


@dataclass(frozen=True)
class TargetBatch:
    """Targets of one head: hidden (E, T, H), W2 (E, H, C), labels (T,), and the masks' shape."""

    hidden: F32
    W2: F32
    labels: npt.NDArray[np.int64]
    own: int
    p: float

    def moderate(self) -> npt.NDArray[np.bool_]:
        """Which targets' logits are small enough under every mask, (T,)."""
        peaks = np.zeros(len(self.labels), dtype=np.float32)

        def work(t: int) -> None:
            peaks[t] = _peak(self.hidden[:, t], self.W2, self.labels[t], self.own, self.p)

        in_threads(work, range(len(self.labels)))
        return peaks < _LIMIT

    def scores(self, words: Words) -> tuple[F32, F32]:
        """Influence of rows with mask words (E, W, n): mean over members and its error, (T, n)."""
        targets, rows = len(self.labels), words.shape[2]
        mean = np.empty((targets, rows), dtype=np.float32)
        stderr = np.empty((targets, rows), dtype=np.float32)
        others = self.W2.shape[2] - 1
        lanes = lanes_for(targets, others)
        lookups = words.shape[1] * LOOKUPS

        def work(item: tuple[int, int]) -> None:
            first, start = item
            stop = min(start + BLOCK, rows)
            # The last tile is filled up with copies of the last target.
            index = np.minimum(np.arange(first, first + lanes), targets - 1)
            real = slice(first, min(first + lanes, targets))
            averages, errors = _scan(
                words,
                start,
                stop,
                np.ascontiguousarray(self.hidden[:, index]),
                self.W2,
                self.labels[index],
                (self.own, self.p),
                aligned(lookups * ENTRIES * lanes * others),
                (0,) * (lanes * others),
                (0,) * lanes,
            )
            mean[real, start:stop] = averages[: real.stop - first]
            stderr[real, start:stop] = errors[: real.stop - first]

        tiles = range(0, targets, lanes)
        in_threads(work, [(t, r) for r in range(0, rows, BLOCK) for t in tiles])
        return mean, stderr


def lanes_for(targets: int, others: int) -> int:
    """Targets side by side: as many as make a line of whole vectors, about 64 floats."""
    lanes = 8
    while lanes < targets and (lanes * others < _LINE or lanes * others % LANES):
        lanes *= 2
    return lanes


@numba.njit(nogil=True, cache=True)
def _peak(hidden, W2, label, own, p):  # type: ignore[no-untyped-def]
    """Largest |logit relative to the label's| of any class and member under any mask."""
    members, units, classes = W2.shape
    peak = 0.0
    for e in range(members):
        for c in range(classes):
            total, spread = 0.0, 0.0
            for u in range(own):
                a = hidden[e, u] * (W2[e, u, c] - W2[e, u, label]) / p
                b = 0.0
                if units > own:  # a twin is on exactly when its partner is off
                    b = hidden[e, own + u] * (W2[e, own + u, c] - W2[e, own + u, label]) / p
                total += a + b
                spread += abs(a - b)
            peak = max(peak, 0.5 * (abs(total) + spread))
    return peak


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def _scan(words, start, stop, hidden, W2, labels, shape, table, width, lanes):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    members, per_member = words.shape[:2]
    rows = stop - start
    count = len(lanes)
    total = np.zeros(rows * count, dtype=np.float32)
    square = np.zeros(rows * count, dtype=np.float32)
    ratio = np.empty(_PART * count, dtype=np.float32)
    factors = np.empty(_PART * len(width), dtype=np.float32)
    middle = np.empty(len(width), dtype=np.float32)
    units = np.zeros((per_member * 64, len(width)), dtype=np.float32)
    for e in range(members):
        _odds(hidden[e], W2[e], labels, shape, units, middle)
        _tables(units, table.reshape((per_member * LOOKUPS, ENTRIES, len(width))))
        for part in range(0, rows, _PART):
            here = min(_PART, rows - part)
            chosen = words[e, :, start + part : start + part + here]
            _products(chosen, table, factors, width)
            for row in range(here):
                at = _U(row * len(width))
                odds_ratio(factors, at, middle, _U(0), ratio, _U(row * count), width, lanes)
            own = slice(part * count, (part + here) * count)
            _add_gaps(ratio[: here * count], total[own], square[own])
    mean = np.empty((count, rows), dtype=np.float32)
    stderr = np.empty((count, rows), dtype=np.float32)
    for lane in range(count):
        summarise(total[lane::count], square[lane::count], members, mean[lane], stderr[lane])
    return mean, stderr


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def _products(words, table, factors, width):  # type: ignore[no-untyped-def]
    """Products of the lines that words (W, n) select, row by row; part of a word after another."""
    factors[:] = _F(1.0)
    for w in range(words.shape[0]):
        for part in range(LOOKUPS // PART_LOOKUPS):
            first = _U((w * LOOKUPS + part * PART_LOOKUPS) * ENTRIES)
            shift = _U(part * PART_LOOKUPS * NIBBLE)
            for row in range(words.shape[1]):
                at = _U(row * len(width))
                multiply_lines(factors, at, table, first, words[w, row] >> shift, width)


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def _add_gaps(ratio, total, square):  # type: ignore[no-untyped-def]
    """Add flipped loss − learned loss, and its square, of a member."""
    for i in range(len(ratio)):
        gap = log32(ratio[i])
        total[i] += gap
        square[i] += gap * gap


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def _odds(hidden, W2, labels, shape, units, middle):  # type: ignore[no-untyped-def]
    """Half differences of own units (own, classes × lanes), and exp of half the full logits."""
    own, p = shape
    lanes = len(labels)
    half = _F(0.5 / p)
    middle[:] = _F(0.0)
    for u in range(own):
        for lane in range(lanes):
            label = labels[lane]
            for place in range(W2.shape[1] - 1):
                c = place if place < label else place + 1
                a = hidden[lane, u] * (W2[u, c] - W2[u, label]) * half
                b = _F(0.0)
                if W2.shape[0] > own:
                    b = hidden[lane, own + u] * (W2[own + u, c] - W2[own + u, label]) * half
                units[u, place * lanes + lane] = a - b
                middle[place * lanes + lane] += a + b
    for i in range(middle.shape[0]):
        middle[i] = exp32(middle[i])


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def _tables(units, table):  # type: ignore[no-untyped-def]
    """Products of exp(±d) for the 16 values of each nibble, by doubling."""
    for nibble in range(table.shape[0]):
        table[nibble, 0] = _F(1.0)
        for bit in range(NIBBLE):
            for i in range(units.shape[1]):
                up = exp32(units[nibble * NIBBLE + bit, i])
                down = _F(1.0) / up
                for entry in range(1 << bit):
                    before = table[nibble, entry, i]
                    table[nibble, entry + (1 << bit), i] = before * up
                    table[nibble, entry, i] = before * down
