"""The running top-k of `topk` compiled for the CPU: most scores cost one comparison.

Tensor operations rank a whole chunk and sort it; here a score that does not reach the weakest kept
one is passed over, and the few others are put in their place. Called by `topk.strongest`, which
says what the arrays hold; tests keep it equal to the tensor path to the bit.
"""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def insert(scores, stderr, positions, sign, ranks, kept):  # type: ignore[no-untyped-def]
    """Put the scores (T, n) of rows (n,) into the lists (T, k), in place.

    `ranks` (T, k) int64 decides the order, its lowest value being an empty place; `kept` are the
    lists' positions, scores and errors. A score enters before another one of a lower rank.
    """
    kept_positions, kept_scores, kept_stderr = kept
    targets, k = ranks.shape
    for t in range(targets):
        weakest = ranks[t, k - 1]
        # The upper half of a rank is the score's own bits, so most rows need no rank of their own.
        least = np.int32(weakest >> 32).view(np.float32) if weakest > 0 else np.float32(0.0)
        for i in range(scores.shape[1]):
            side = scores[t, i] * sign
            if not (side >= least and side > 0):  # NaN is on neither side
                continue
            bits = np.int64(np.float32(side).view(np.int32))
            rank = (bits << 32) | ((np.int64(1) << 32) - 1 - positions[i])
            if rank <= ranks[t, k - 1]:
                continue
            place = k - 1
            while place > 0 and ranks[t, place - 1] < rank:
                ranks[t, place] = ranks[t, place - 1]
                kept_positions[t, place] = kept_positions[t, place - 1]
                kept_scores[t, place] = kept_scores[t, place - 1]
                kept_stderr[t, place] = kept_stderr[t, place - 1]
                place -= 1
            ranks[t, place] = rank
            kept_positions[t, place] = positions[i]
            kept_scores[t, place] = scores[t, i]
            kept_stderr[t, place] = stderr[t, i]
            weakest = ranks[t, k - 1]
            least = np.int32(weakest >> 32).view(np.float32) if weakest > 0 else np.float32(0.0)
