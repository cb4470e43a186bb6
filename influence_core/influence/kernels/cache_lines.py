"""Vector arithmetic that the compiler does not find by itself.

The scan multiplies or adds short lines of floats out of tables that fit the cache. Numba cannot
know that the line which is written never overlaps the table, and checks it for every row; and it
calls a scalar library function for each exponential. Here are the few operations written for the
vector unit: two intrinsics on lines, and exp and log as plain polynomials that loops vectorise.

A line's length is passed as a tuple, whose length is part of its type: each length is compiled
once and cached on disk. Called by `scan_kernels` and `batch_kernels` only.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

NIBBLE = 4  # mask bits of one table lookup: 16 lines, so that a member's tables fit the cache
LOOKUPS = 64 // NIBBLE  # in one mask word
ENTRIES = 1 << NIBBLE
LANES = 16  # floats of one vector operation; the compiler splits them where the machine has fewer
_HELD = 6  # vectors of sums at a time: with half as long ones, too, they all stay in registers

_F = np.float32
_I = np.int32
_U = np.uint64
# Everything but the promise that there are no infinities.
FAST = {"nsz", "contract", "reassoc", "arcp"}


def _pieces(width: int) -> list[tuple[int, int]]:
    """(start, lanes) of the vectors that make up a line."""
    return [(start, min(LANES, width - start)) for start in range(0, width, LANES)]


def _shares(width: int) -> list[list[tuple[int, int]]]:
    """The pieces in about equal groups of at most `_HELD`."""
    pieces = _pieces(width)
    groups = -(-len(pieces) // _HELD)
    return [pieces[g * len(pieces) // groups : (g + 1) * len(pieces) // groups]
            for g in range(groups)]  # fmt: skip


def aligned(count: int) -> npt.NDArray[np.float32]:
    """So many float32, not set, that begin where a vector does.

    A vector that spans two cache lines takes twice as long to load, and a kernel does little else.
    """
    size = 4 * LANES
    room = np.empty(count + LANES, dtype=np.float32)
    start = -room.ctypes.data % size // 4
    return room[start : start + count]


class _Lines:
    """Builds loads and stores of vectors at element offsets of a float32 array."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def number(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def pointer(self, array_type: Any, array: Any, at: Any, lanes: int) -> Any:
        data = self.context.make_array(array_type)(self.context, self.builder, array).data
        kind = ir.VectorType(ir.FloatType(), lanes)
        return self.builder.bitcast(self.builder.gep(data, [at]), kind.as_pointer())

    def load(self, pointer: Any) -> Any:
        return self.builder.load(pointer, align=4)

    def after(self, at: Any, offset: int) -> Any:
        return self.builder.add(at, self.number(offset))


def _fold(operation: str, lookups: int) -> Any:
    """The intrinsic `fold(out, at, table, first, word, width)`.

    Combines the line at out[at : at + len(width)] with the lines that the low nibbles of `word`
    select, so many as there are lookups, from the table's lines number `first` on.
    """

    @intrinsic
    def fold(typingctx, out, at, table, first, word, width):  # type: ignore[no-untyped-def]
        size = len(width)
        signature = types.void(out, types.uint64, table, types.uint64, types.uint64, width)

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            out_, at_, table_, first_, word_, _ = args
            lines = _Lines(context, builder)
            for pieces in _shares(size):
                targets = [
                    lines.pointer(signature.args[0], out_, lines.after(at_, start), lanes)
                    for start, lanes in pieces
                ]
                sums = [lines.load(target) for target in targets]
                for j in range(lookups):
                    shifted = builder.lshr(word_, lines.number(j * NIBBLE))
                    nibble = builder.and_(shifted, lines.number(ENTRIES - 1))
                    entry = builder.add(builder.add(first_, nibble), lines.number(j * ENTRIES))
                    row = builder.mul(entry, lines.number(size))
                    for i, (start, lanes) in enumerate(pieces):
                        source = lines.pointer(
                            signature.args[2], table_, lines.after(row, start), lanes
                        )
                        sums[i] = getattr(builder, operation)(sums[i], lines.load(source))
                for target, value in zip(targets, sums, strict=True):
                    builder.store(value, target, align=4)
            return context.get_dummy_value()

        return signature, generate

    return fold


PART_LOOKUPS = LOOKUPS // 2  # whose tables fit the cache that is next to the processor
add_lines = _fold("fadd", LOOKUPS)
multiply_lines = _fold("fmul", PART_LOOKUPS)


@intrinsic
def odds_ratio(typingctx, factors, at, middle, start, out, to, width, lanes):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Write (1 + Σ_c m_c / v_c) / (1 + Σ_c m_c · v_c) of each lane.

    `factors` holds v as (classes, lanes) from `at` on, `middle` holds m the same way from `start`
    on; `width` is classes × lanes long, `lanes` as many as there are targets side by side.
    """
    size, count = len(width), len(lanes)
    signature = types.void(
        factors, types.uint64, middle, types.uint64, out, types.uint64, width, lanes
    )

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        factors_, at_, middle_, start_, out_, to_, _, _ = args
        lines = _Lines(context, builder)
        for first, wide in _pieces(count):
            one = ir.Constant(ir.VectorType(ir.FloatType(), wide), [1.0] * wide)
            learned, flipped = one, one
            for offset in range(first, size, count):
                v = lines.load(
                    lines.pointer(signature.args[0], factors_, lines.after(at_, offset), wide)
                )
                m = lines.load(
                    lines.pointer(signature.args[2], middle_, lines.after(start_, offset), wide)
                )
                learned = builder.fadd(learned, builder.fmul(m, v))
                flipped = builder.fadd(flipped, builder.fdiv(m, v))
            target = lines.pointer(signature.args[4], out_, lines.after(to_, first), wide)
            builder.store(builder.fdiv(flipped, learned), target, align=4)
        return context.get_dummy_value()

    return signature, generate


@numba.njit(inline="always", fastmath=FAST, cache=True)
def exp32(x):  # type: ignore[no-untyped-def]
    """exp of a float32 in [-87, 88], to 2 units in the last place; smaller x give exp(-87).

    Cephes' expf: split off a power of two, then a polynomial on the rest.
    """
    x = max(x, _F(-87.0))
    n = np.floor(x * _F(1.4426950408889634) + _F(0.5))
    r = x - n * _F(0.693359375) - n * _F(-2.12194440e-4)
    p = _F(1.9875691500e-4)
    p = p * r + _F(1.3981999507e-3)
    p = p * r + _F(8.3334519073e-3)
    p = p * r + _F(4.1665795894e-2)
    p = p * r + _F(1.6666665459e-1)
    p = p * r + _F(5.0000001201e-1)
    power = _I((_I(n) + _I(127)) << _I(23)).view(np.float32)
    return (p * r * r + r + _F(1.0)) * power


@numba.njit(inline="always", fastmath=FAST, cache=True)
def log32(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a positive, normal float32 (Cephes' logf)."""
    bits = _F(x).view(np.int32)
    k = _I(bits - _I(0x3F3504F3)) >> _I(23)
    m = _I(bits - _I(k << _I(23))).view(np.float32) - _F(1.0)
    p = _F(7.0376836292e-2)
    p = p * m + _F(-1.1514610310e-1)
    p = p * m + _F(1.1676998740e-1)
    p = p * m + _F(-1.2420140846e-1)
    p = p * m + _F(1.4249322787e-1)
    p = p * m + _F(-1.6668057665e-1)
    p = p * m + _F(2.0000714765e-1)
    p = p * m + _F(-2.4999993993e-1)
    p = p * m + _F(3.3333331174e-1)
    return m + (m * m) * (p * m - _F(0.5)) + _F(k) * _F(0.6931471805599453)
