"""What lies between the two wide products of `replay.through_gradient`, compiled for the CPU.

Tensor operations go some ten times over all activations for it, a quarter of a pass; this loop
takes one row of one head at a time, which stays in the nearest cache. `replay` writes it out with
tensors, for other devices and many classes; tests hold them equal.
"""

import numba
import numpy as np
from torch import Tensor

from influence_core.threads import in_threads
from influence_core.training.heads.tape import Batch


def between(
    dz: Tensor,
    h: Tensor,
    W2: Tensor,
    along: tuple[Tensor, Tensor],
    onto: tuple[Tensor, Tensor],
    residuals: tuple[Tensor, Tensor, Tensor],
    batch: Batch,
) -> tuple[Tensor, Tensor]:
    """⟨δ, dlogits⟩ of every row, (T, E, B), with the residuals of both sides.

    Args:
        dz: x V1, (T, E, B, H), contiguous; becomes Z in place.
        h: (E, B, H). W2: (E, H, C).
        along: Vb (T, E, H) and V2 (T, E, H, C). onto: to which b1's and W2's adjoints are added.
        residuals: p(class), p − y and that of the flipped side, (E, B, C).
        batch: of which the rows' factors and the masks' p are read.
    """
    T, E, B, H = dz.shape
    (Vb, V2), C = along, W2.shape[2]
    learned, absent = dz.new_empty(T * E, B), dz.new_empty(T * E, B)
    b1_bar, W2_bar = dz.new_zeros(T * E, H), dz.new_zeros(T * E, C, H)
    heads = [t.contiguous().numpy() for t in (h, (W2 / batch.p).mT, *residuals)]
    each = [t.reshape(T * E, *t.shape[2:]).contiguous().numpy() for t in (dz, Vb, V2.mT)]
    out = [t.numpy() for t in (learned, absent, b1_bar, W2_bar)]
    factor, inverse = batch.scale.numpy(), np.float32(1.0 / batch.p)
    in_threads(
        lambda i: _between(
            *(t[i] for t in each), *(t[i % E] for t in heads), *(t[i] for t in out), factor, inverse
        ),
        range(T * E),
    )
    onto[0].add_(b1_bar.view(T, E, H))
    onto[1].add_(W2_bar.view(T, E, C, H).mT)
    return learned.view(T, E, B), absent.view(T, E, B)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _between(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    dz, Vb, V2, h, W2, prob, delta, unseen, learned, absent, b1_bar, W2_bar, scale, inverse
):
    """One head and target: dz (B, H) in place; W2, V2 and W2_bar (C, H)."""
    rows, units = dz.shape
    classes, zero = len(W2), np.float32(0.0)
    dlogits = np.empty(classes, np.float32)
    Z = np.empty(units, np.float32)
    for b in range(rows):
        for u in range(units):
            dz[b, u] = dz[b, u] + Vb[u] if h[b, u] > zero else zero
        inside, outside, mean = zero, zero, zero
        for c in range(classes):
            total = zero
            for u in range(units):
                total += dz[b, u] * W2[c, u] + h[b, u] * V2[c, u]
            dlogits[c] = total
            inside += delta[b, c] * total
            outside += unseen[b, c] * total
            mean += prob[b, c] * total
        learned[b], absent[b] = inside, outside
        for u in range(units):
            Z[u] = zero
        for c in range(classes):
            Q = prob[b, c] * (dlogits[c] - mean) * scale[b]
            D = delta[b, c] * scale[b] * inverse
            for u in range(units):
                Z[u] += Q * W2[c, u] + D * V2[c, u]
            for u in range(units):
                W2_bar[c, u] += dz[b, u] * D + h[b, u] * Q
        for u in range(units):
            dz[b, u] = Z[u] if h[b, u] > zero else zero
        for u in range(units):
            b1_bar[u] += dz[b, u]
