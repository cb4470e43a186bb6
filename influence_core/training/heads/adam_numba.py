"""Adam's moments, and the reverse of one of its steps, compiled for the CPU.

Tensor operations go some twenty times over the adjoints, which are larger than the cache, and that
takes as long as the matrix products. These loops read every number once, a block at a time, each
with so few arrays that the compiler can prove them apart and uses vector instructions: four times
as fast as all in one. `replay.through_adam` says what is done; tests hold them equal.
"""

import numba
import numpy as np
import torch
from torch import Tensor

from influence_core.threads import in_threads
from influence_core.training.heads.adam import BETA1, BETA2

_BLOCK = 1024  # numbers whose factors stay in the nearest cache while all targets are gone through
_PART = 1 << 16  # numbers a thread takes at a time
_BETA1, _BETA2 = np.float32(BETA1), np.float32(BETA2)
_REST1, _REST2 = np.float32(1.0 - BETA1), np.float32(1.0 - BETA2)


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


def next_moments(
    first: Tensor, second: Tensor, gradient: Tensor, out: tuple[Tensor, Tensor]
) -> None:
    """Write both moments after a step with this gradient; contiguous float32 on the CPU."""
    size = first.numel()
    flat = [t.view(size).numpy() for t in (first, second, gradient.contiguous(), *out)]
    in_threads(
        lambda start: _moments(*(part[start : start + _PART] for part in flat)),
        range(0, size, _PART),
    )


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _moments(first, second, gradient, m, v):  # type: ignore[no-untyped-def]
    for i in range(len(m)):
        m[i] = first[i] + _REST1 * (gradient[i] - first[i])
    for i in range(len(v)):
        v[i] = second[i] * _BETA2 + _REST2 * gradient[i] * gradient[i]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _through(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    theta, m_bar, v_bar, along, old, m, v, lr, eps, c1, c2, start, stop
):
    by_m = np.empty(_BLOCK, np.float32)
    by_v = np.empty(_BLOCK, np.float32)
    twice_g = np.empty(_BLOCK, np.float32)
    for begin in range(start, stop, _BLOCK):
        end = min(begin + _BLOCK, stop)
        n = end - begin
        _factors(old[begin:end], m[begin:end], v[begin:end], by_m, by_v, twice_g, lr, eps, c1, c2)
        for t in range(len(theta)):
            own, m_own, v_own = theta[t, begin:end], m_bar[t, begin:end], v_bar[t, begin:end]
            _add_product(m_own, own, by_m)
            _add_product(v_own, own, by_v)
            _gradient_bar(along[t, begin:end], m_own, v_own, twice_g)
            for i in range(n):
                m_own[i] *= _BETA1
            for i in range(n):
                v_own[i] *= _BETA2


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _factors(old, m, v, by_m, by_v, twice_g, lr, eps, c1, c2):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    one, two = np.float32(1.0), np.float32(2.0)
    for i in range(len(m)):
        root = np.sqrt(v[i] / c2)
        u = root + eps
        by_m[i] = -lr / (c1 * u)
        # Where v is 0 no row has touched the parameter, and m is 0, too.
        by_v[i] = lr * m[i] / (two * c1 * c2 * u * u * (root if root > 0 else one))
        twice_g[i] = two * _REST2 * (m[i] - _BETA1 * old[i]) / _REST1


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _add_product(bar, own, by):  # type: ignore[no-untyped-def]
    for i in range(len(bar)):
        bar[i] += own[i] * by[i]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _gradient_bar(along, m_bar, v_bar, twice_g):  # type: ignore[no-untyped-def]
    for i in range(len(along)):
        along[i] = _REST1 * m_bar[i] + twice_g[i] * v_bar[i]
