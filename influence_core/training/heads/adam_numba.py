"""The reverse of one step of Adam, compiled for the CPU.

Tensor operations go some twenty times over the adjoints, which are larger than the cache, and that
takes as long as the matrix products. This loop reads every number once. `replay.through_adam` says
what it does; tests hold them equal.
"""

import numba
import numpy as np
import torch
from torch import Tensor

from influence_core.threads import in_threads
from influence_core.training.heads.adam import BETA1, BETA2

_BLOCK = 2048  # numbers whose factors stay in the nearest cache while all targets are gone through
_PART = 1 << 16  # numbers a thread takes at a time


def through_step(
    theta: Tensor, m_bar: Tensor, v_bar: Tensor, old: Tensor, m: Tensor, v: Tensor,
    step: tuple[float, float, float, float],
) -> Tensor:  # fmt: skip
    """Adjoint of the gradient, (T, …); `m_bar` and `v_bar` change in place.

    Args:
        theta, m_bar, v_bar: (T, …), contiguous float32 on the CPU. old, m, v: (…), the moments,
            `old` being m before the step.
        step: learning rate, eps, 1 − β1^t and 1 − β2^t.
    """
    along = torch.empty_like(theta)
    targets, size = len(theta), m.numel()
    wide = [t.view(targets, size).numpy() for t in (theta, m_bar, v_bar, along)]
    flat = [t.reshape(size).numpy() for t in (old, m, v)]
    factors = tuple(np.float32(value) for value in step)
    in_threads(
        lambda start: _through(*wide, *flat, *factors, start, min(start + _PART, size)),
        range(0, size, _PART),
    )
    return along


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _through(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    theta, m_bar, v_bar, along, old, m, v, lr, eps, c1, c2, start, stop
):
    one, two = np.float32(1.0), np.float32(2.0)
    beta1, beta2 = np.float32(BETA1), np.float32(BETA2)
    rest1, rest2 = np.float32(1.0 - BETA1), np.float32(2.0 * (1.0 - BETA2))
    by_m = np.empty(_BLOCK, np.float32)
    by_v = np.empty(_BLOCK, np.float32)
    twice_g = np.empty(_BLOCK, np.float32)
    for first in range(start, stop, _BLOCK):
        n = min(_BLOCK, stop - first)
        for i in range(n):
            k = first + i
            root = np.sqrt(v[k] / c2)
            u = root + eps
            by_m[i] = -lr / (c1 * u)
            # Where v is 0 no row has touched the parameter, and m is 0, too.
            by_v[i] = lr * m[k] / (two * c1 * c2 * u * u * (root if root > 0 else one))
            twice_g[i] = rest2 * (m[k] - beta1 * old[k]) / rest1
        for t in range(theta.shape[0]):
            for i in range(n):
                k = first + i
                own = theta[t, k]
                m_new = m_bar[t, k] + own * by_m[i]
                v_new = v_bar[t, k] + own * by_v[i]
                along[t, k] = rest1 * m_new + twice_g[i] * v_new
                m_bar[t, k] = beta1 * m_new
                v_bar[t, k] = beta2 * v_new
