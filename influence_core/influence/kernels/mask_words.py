"""Hash a chunk of keys to mask words once, for however many targets are scored on it.

A mask is never stored: 64 of its bits are one word, and the words of a chunk of rows are a few
megabytes. Called by `turnover_scores`; the kernels read the words.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from influence_core.threads import in_threads
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import own_units, planes, stream_seed
from influence_core.turnover.masks_numba import mix, word, words_per_member

Words = npt.NDArray[np.uint64]
_BLOCK = 4_096


@dataclass(frozen=True)
class MaskStream:
    """What hashing needs: one seed a member, the bits of p, and how many units draw bits."""

    seeds: npt.NDArray[np.uint64]
    expansion: npt.NDArray[np.bool_]
    own: int
    words: int

    @classmethod
    def of(cls, config: HeadConfig) -> "MaskStream":
        """The stream of a head."""
        seeds = [stream_seed(config.seed, e) for e in range(config.members)]
        return cls(
            seeds=np.array(seeds, dtype=np.uint64),
            expansion=np.array(planes(config.p), dtype=np.bool_),
            own=own_units(config.width, config.p, config.twin),
            words=words_per_member(config.width, config.p, config.twin),
        )

    def of_keys(self, keys: npt.NDArray[np.uint64]) -> Words:
        """(n,) keys to mask words (E, words, n)."""
        out = np.empty((len(self.seeds), self.words, len(keys)), dtype=np.uint64)

        def work(start: int) -> None:
            stop = min(start + _BLOCK, len(keys))
            _hash(keys, self.seeds, self.expansion, out, start, stop)

        in_threads(work, range(0, len(keys), _BLOCK))
        return out


@numba.njit(nogil=True, cache=True)
def _hash(keys, seeds, expansion, out, start, stop):  # type: ignore[no-untyped-def]
    for member in range(out.shape[0]):
        for row in range(start, stop):
            state = mix(keys[row] + seeds[member])
            for index in range(out.shape[1]):
                out[member, index, row] = word(state, index, expansion)
