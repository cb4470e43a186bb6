"""Pictures that are cut out of others: pairs of a picture and a crop of it, for `near`.

A crop that keeps four fifths of each side or more looks, small and grey, like one of 29 windows of
the whole; the pictures most like a window are candidates, of each picture a dozen. Of a candidate
the very window is sought by Gauss-Newton steps, and the pair counts if edges fall on edges there:
pictures of one kind of thing agree in their greys, crops in their edges too. Pictures that are
nearly one grey all over are passed over. Of more than 4,096 pictures windows are compared with
pictures of the same few of many cells only, so the cost grows with the number and not its square;
one to four milliseconds and 7 kB each.
"""

import math
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from influence_core.progress import check_cancel

F32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Frame = npt.NDArray[np.uint8]  # (height, width) greys

SAME_EDGES = 0.99  # cosine of the slopes; of 1,500 garments two dozen pairs are above 0.985
_BEGUN = 0.93  # the same before what made a crop larger is undone
_ALIKE = 0.85  # cosine of the greys of a candidate
_FLAT = 4.0  # greys of deviation; less is rounding and noise
_COARSE, _FINE = 10, 16  # points of a side at which windows are sought, and fitted
_SCALES = ((0.8, 4), (0.87, 3), (0.94, 2))  # of a side, and places along it
_SMALLEST = 0.74  # of a side
_KEPT = 20  # candidates of a picture
# Cosines of the greys that a candidate has after so many steps, coarse and then fine.
_LEAST = {_COARSE: (0.85, 0.9, 0.94, 0.96), _FINE: (0.8, 0.93, 0.95, 0.96, 0.97)}
_WHOLE, _CELL, _PROBED = 4096, 256, 4  # pictures in one cell; in one of many; cells of a window
_BLOCK = 128
_BILINEAR = Image.Resampling.BILINEAR
_SEED = 0x6E72


def crop_pairs(frames: Sequence[Frame], cancel: threading.Event | None = None) -> Ints:
    """(m, 2) numbers of pictures of which the second is cut out of the first.

    Args:
        frames: small grey pictures of any sizes and shapes, best 48 pixels of a side.
        cancel: stops it.

    Raises:
        CancelledError: `cancel` was set.
    """
    known = reversed(list(enumerate(frames)))
    number = {(frame.shape, frame.tobytes()): i for i, frame in known}
    each = np.array(sorted(number.values()), dtype=np.int64)
    each = each[[frames[i].std() >= _FLAT and min(frames[i].shape) > 1 for i in each.tolist()]]
    if len(each) < 2:
        return np.zeros((0, 2), np.int64)
    kept = [frames[i] for i in each.tolist()]
    stack, every = _Stack(kept), np.arange(len(kept))
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (len(kept), 1))
    coarse, fine = (_unit(stack.cut(every, whole, side)) for side in (_COARSE, _FINE))
    found = [np.zeros((0, 2), np.int64)]
    for pairs, begun in _candidates(stack, coarse, cancel):
        check_cancel(cancel)
        windows, alike = _fitted(stack, coarse, pairs, begun)
        order = np.lexsort((-alike, pairs[:, 1], pairs[:, 0]))
        order = order[_rank(pairs[order, 0] * len(kept) + pairs[order, 1]) < 1]
        order = order[alike[order] >= _LEAST[_COARSE][-1]]
        found.append(pairs[order][_fits(kept, stack, fine, pairs[order], windows[order])])
    return each[np.concatenate(found)]


def _windows() -> F32:
    """(29, 4) left, top, width and height as shares of the sides."""
    return np.array([
        (x, y, side, side)
        for side, places in _SCALES
        for y in np.linspace(0, 1 - side, places)
        for x in np.linspace(0, 1 - side, places)
    ], np.float32)  # fmt: skip


def _candidates(
    stack: "_Stack", coarse: F32, cancel: threading.Event | None
) -> Iterator[tuple[Ints, F32]]:
    """Block by block (m, 2) pairs, and (m, 4) where in the first the second may lie."""
    windows, (centres, members) = _windows(), _cells(coarse)
    for start in range(0, len(coarse), _BLOCK):
        check_cancel(cancel)
        block = np.arange(start, min(start + _BLOCK, len(coarse)))
        every = np.tile(windows, (len(block), 1))
        asked = _unit(stack.cut(np.repeat(block, len(windows)), every, _COARSE))
        hits = list(_hits(asked, coarse, centres, members))
        query, second, cosine = (np.concatenate(part) for part in zip(*hits, strict=True))
        first = start + query // len(windows)
        order = np.lexsort((-cosine, second, first))
        order = order[first[order] != second[order]]
        # The two best windows of each pair, and of each picture the best pairs.
        order = order[_rank(first[order] * len(coarse) + second[order]) < 2]
        order = order[np.lexsort((-cosine[order], first[order]))]
        order = order[_rank(first[order]) < _KEPT]
        yield np.stack([first, second], 1)[order], windows[query[order] % len(windows)]


def _rank(ascending: Ints) -> Ints:
    """Which of its equals each number is, from 0."""
    return np.arange(len(ascending)) - np.searchsorted(ascending, ascending)


def _cells(coarse: F32) -> tuple[F32, list[Ints]]:
    """Pictures that are roughly alike together: (c, d) their means, and who is in each."""
    if len(coarse) <= _WHOLE:
        return coarse[:1], [np.arange(len(coarse))]
    from sklearn.cluster import MiniBatchKMeans

    cells = MiniBatchKMeans(len(coarse) // _CELL, random_state=_SEED, n_init=1, batch_size=4096)
    cell = cells.fit_predict(coarse)
    order = np.argsort(cell, kind="stable")
    cuts = np.searchsorted(cell[order], np.arange(1, len(cells.cluster_centers_)))
    return _unit(cells.cluster_centers_), np.split(order, cuts)


def _hits(
    asked: F32, coarse: F32, centres: F32, members: Sequence[Ints]
) -> Iterator[tuple[Ints, Ints, F32]]:
    """Of windows and pictures that are alike, the numbers of both and how much."""
    nearness = asked @ centres.T
    probed = min(_PROBED, len(centres))
    asks = np.argpartition(-nearness, probed - 1, axis=1)[:, :probed]
    for cell, inside in enumerate(members):
        query = np.flatnonzero((asks == cell).any(1))
        cosine = asked[query] @ coarse[inside].T
        row, column = np.nonzero(cosine >= _ALIKE)
        yield query[row], inside[column], cosine[row, column]


def _fits(frames: Sequence[Frame], stack: "_Stack", fine: F32, pairs: Ints, begun: F32) -> Bools:
    """Which of the pairs are a picture and a crop of it."""
    windows, alike = _fitted(stack, fine, pairs, begun)
    wanted = _edges(fine[pairs[:, 1]].reshape(len(pairs), _FINE, _FINE))
    same = (_edges(stack.cut(pairs[:, 0], windows, _FINE)) * wanted).sum(1)
    able = (alike >= _LEAST[_FINE][-1]) & (windows[:, 2:].min(1) >= _SMALLEST)
    # A crop that was made as large as the whole again has lost some of its edges.
    for i in np.flatnonzero(able & (same >= _BEGUN) & (same < SAME_EDGES)).tolist():
        again = _enlarged(frames[int(pairs[i, 0])], windows[i])
        same[i] = float(_edges(again[None])[0] @ wanted[i])
    return np.asarray(able & (same >= SAME_EDGES))


def _fitted(stack: "_Stack", small: F32, pairs: Ints, windows: F32) -> tuple[F32, F32]:
    """The windows moved to where the cosine is highest, and that, by damped Gauss-Newton steps.

    Source: Baker and Matthews, Lucas-Kanade 20 Years On, 2004; contrast and brightness apart.
    """
    best, highest, step = windows.copy(), np.full(len(pairs), -1, np.float32), 0 * windows
    live, now, side = np.arange(len(pairs)), windows, math.isqrt(small.shape[1])
    for least in (*_LEAST[side], None):
        cut = stack.cut(pairs[live, 0], now, side)
        wanted = small[pairs[live, 1]]
        cosine = (_unit(cut) * wanted).sum(1)
        better = cosine > highest[live]
        at = live[better]
        highest[at], best[at] = cosine[better], now[better]
        if least is None:
            break
        step[live[~better]] *= 0.4
        step[at] = _step(cut[better], wanted[better], now[better])
        live = live[(highest[live] >= least) & (highest[live] < 0.9998)]
        now = best[live] + step[live]
        now[:, 2:] = np.clip(now[:, 2:], _SMALLEST - 0.02, 1)
        now[:, :2] = np.clip(now[:, :2], 0, 1 - now[:, 2:])
    return best, highest


def _step(cut: F32, wanted: F32, window: F32) -> F32:
    """(m, 4) by how much windows (m, 4) with greys (m, n, n) are to move."""
    n = cut.shape[1]
    down, right = np.gradient(cut, axis=(1, 2))
    right = right * (n / window[:, 2, None, None])
    down = down * (n / window[:, 3, None, None])
    along = (np.arange(n, dtype=np.float32) + 0.5) / n
    slopes = np.stack([right, down, right * along, down * along[:, None]], 1)
    slopes = slopes.reshape(len(cut), 4, n * n)
    has = _unit(cut)
    flat = cut.reshape(len(cut), n * n)
    length = np.linalg.norm(flat - flat.mean(1, keepdims=True), axis=1)
    slopes = (slopes - slopes.mean(2, keepdims=True)) / np.maximum(length, 1e-3)[:, None, None]
    slopes -= (slopes @ has[:, :, None]) * has[:, None]
    square = slopes @ slopes.transpose(0, 2, 1)
    corner = np.arange(4)
    square[:, corner, corner] = square[:, corner, corner] * 1.001 + 1e-6
    towards = slopes @ (wanted - has)[:, :, None]
    return np.asarray(np.clip(np.linalg.solve(square, towards)[:, :, 0], -0.05, 0.05), np.float32)


class _Stack:
    """Frames of several sizes in one array, of which windows are cut many at a time."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.sizes = np.array([frame.shape for frame in frames], np.float32)
        height, width = self.sizes.max(0).astype(int).tolist()
        self.greys = np.zeros((len(frames), height, width), np.uint8)
        for grey, frame in zip(self.greys, frames, strict=True):
            grey[: frame.shape[0], : frame.shape[1]] = frame

    def cut(self, which: Ints, windows: F32, side: int) -> F32:
        """(m, side, side) windows (m, 4) of frames (m,), each point a mean of those around it."""
        out = np.empty((len(which), side, side), np.float32)
        for start in range(0, len(which), _BLOCK):
            part = slice(start, start + _BLOCK)
            size, window = self.sizes[which[part]], windows[part]
            across = _weights(window[:, 0], window[:, 2], size[:, 1], side, self.greys.shape[2])
            down = _weights(window[:, 1], window[:, 3], size[:, 0], side, self.greys.shape[1])
            greys = self.greys[which[part]].astype(np.float32)
            out[part] = down @ greys @ across.transpose(0, 2, 1)
        return out


def _weights(begin: F32, share: F32, size: F32, side: int, most: int) -> F32:
    """(m, side, most) of pixels of a line in points of a window: triangles, cut at its ends."""
    each = (share * size / side)[:, None, None]
    point = np.arange(side, dtype=np.float32)[:, None] + 0.5
    middle = (begin * size)[:, None, None] + point * each
    pixel = np.arange(most, dtype=np.float32) + 0.5
    out = np.maximum(1 - np.abs(pixel - middle) / np.maximum(each, 1), 0)
    low, high = (begin * size)[:, None, None], ((begin + share) * size)[:, None, None]
    out *= np.clip(np.minimum(pixel + 0.5 - low, high - pixel + 0.5), 0, 1)
    return np.asarray(out / np.maximum(out.sum(2, keepdims=True), 1e-6), np.float32)


def _enlarged(frame: Frame, window: F32) -> F32:
    """(fine, fine) a window after it was cut out at its own size and made as large as the whole."""
    image = Image.fromarray(frame.astype(np.float32))
    left, top, width, height = (window * np.tile(image.size, 2)).tolist()
    box = (left, top, min(left + width, image.width), min(top + height, image.height))
    cut = image.resize((max(1, round(width)), max(1, round(height))), _BILINEAR, box=box)
    return np.asarray(cut.resize(image.size, _BILINEAR).resize((_FINE, _FINE), _BILINEAR))


def _edges(cuts: F32) -> F32:
    """(m, 2 n²) slopes of small pictures (m, n, n) as vectors of length 1."""
    across, down = (
        part.reshape(len(cuts), math.prod(cuts.shape[1:]))
        for part in np.gradient(cuts, axis=(1, 2))
    )
    slopes = np.concatenate([across, down], axis=1)
    length = np.linalg.norm(slopes, axis=1, keepdims=True)
    return np.asarray(slopes / np.maximum(length, 1e-9), np.float32)


def _unit(cuts: npt.NDArray[np.floating]) -> F32:
    """(m, n) small pictures less their mean, of length 1; one that is flat is all 0."""
    flat = cuts.reshape(len(cuts), math.prod(cuts.shape[1:]))
    flat = flat - flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 1e-3, flat / np.maximum(length, 1e-3), 0).astype(np.float32)
