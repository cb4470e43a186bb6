"""One target's ridge scores in a single pass over the features.

score(i) = Σ_c r̃_ic (h_iᵀ w_c + b_c). As a matrix product this writes an (n, C) table, reads it
again with the residuals and sums it up; and a product of so few columns leaves most of a vector
unit idle. Here features lie side by side in the vector unit, each line of them is read once for
all classes, and the residuals multiply what is still in registers. Rows are float32, or float16 as
a project's feature file has them. Called by `ridge`, CPU only.
"""

import platform
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from influence_core.influence.kernels.cache_lines import LANES, aligned
from influence_core.threads import in_threads

_TILE = 12  # most classes at a time: with two rows, as many sums as there are registers
# Bytes asked for before they are needed. A row is too short for the machine to foresee the next
# one, and without this the kernel waits for memory half of the time.
_AHEAD = 12_288
_BLOCK = 4096  # rows a thread takes at a time

F32 = npt.NDArray[np.float32]
F16 = npt.NDArray[np.float16]


@intrinsic
def _sums(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    typingctx, x, first, second, weights, start, residual, own, other, out, depth, tile, group
):
    """Write the sums over one tile of classes of one or two rows to out[0] and out[1].

    The rows are x[first : first + depth] and x[second : …], their residuals begin at residual[own]
    and residual[other]; `weights` has, from `start` on, a line of biases for each class, then for
    each line of features one for each class. `tile` is as long as there are classes, `group` as
    there are rows. x is float32, or uint16 that holds the bits of float16.
    """
    classes, together = len(tile), len(group)
    half = x.dtype == types.uint16
    at = types.intp
    signature = types.void(x, at, at, weights, at, residual, at, at, out, at, tile, group)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        x_, first_, second_, weights_, start_, residual_, own_, other_, out_, depth_, _, _ = args
        line = ir.VectorType(ir.FloatType(), LANES)
        stored = ir.VectorType(ir.HalfType(), LANES) if half else line
        fused = ("contract", "reassoc", "nsz")

        def data(which: int, array: Any) -> Any:
            return context.make_array(signature.args[which])(context, builder, array).data

        def number(value: int) -> Any:
            return ir.Constant(depth_.type, value)

        def load(array: Any, place: Any, form: Any = line) -> Any:
            pointer = builder.bitcast(builder.gep(array, [place]), form.as_pointer())
            return builder.load(pointer, align=2 if form is not line else 4)

        rows, table = data(0, x_), data(3, weights_)
        beside, result = data(5, residual_), data(8, out_)
        sums = [
            [
                cgutils.alloca_once_value(
                    builder, load(table, builder.add(start_, number(c * LANES)))
                )
                for c in range(classes)
            ]
            for _ in range(together)
        ]
        begin = builder.add(start_, number(classes * LANES))
        lines = builder.sdiv(builder.add(depth_, number(LANES - 1)), number(LANES))
        end = builder.sub(depth_, number(LANES))
        with cgutils.for_range(builder, lines) as loop:
            place = builder.mul(loop.index, number(LANES))
            # The last line ends with the row; what it reads twice has weight zero there.
            place = builder.select(builder.icmp_signed("<", place, end), place, end)
            starts = [builder.add(row, place) for row in (first_, second_)[:together]]
            values = [load(rows, start, stored) for start in starts]
            if half:
                values = [builder.fpext(value, line) for value in values]
            for used in starts:
                later = builder.add(used, number(_AHEAD // (2 if half else 4)))
                _prefetch(builder, builder.gep(rows, [later]))
            step = builder.add(begin, builder.mul(loop.index, number(classes * LANES)))
            for c in range(classes):
                weight = load(table, builder.add(step, number(c * LANES)))
                for row, value in enumerate(values):
                    product = builder.fmul(value, weight, flags=fused)
                    total = builder.fadd(builder.load(sums[row][c]), product, flags=fused)
                    builder.store(total, sums[row][c])
        for row, where in enumerate((own_, other_)[:together]):
            total = ir.Constant(line, [0.0] * LANES)
            for c in range(classes):
                value = builder.load(builder.gep(beside, [builder.add(where, number(c))]))
                spread = _splat(builder, line, value)
                product = builder.fmul(builder.load(sums[row][c]), spread, flags=fused)
                total = builder.fadd(total, product, flags=fused)
            scalar = ir.Constant(ir.FloatType(), 0.0)
            for lane in range(LANES):
                element = builder.extract_element(total, ir.Constant(ir.IntType(32), lane))
                scalar = builder.fadd(scalar, element, flags=fused)
            builder.store(scalar, builder.gep(result, [number(row)]))
        return context.get_dummy_value()

    return signature, generate


def _prefetch(builder: Any, pointer: Any) -> None:
    """Ask for the memory at a pointer, which may lie behind the array's end."""
    number = ir.IntType(32)
    place = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    form = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
    fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], form)
    # To read, into the nearest cache, data.
    builder.call(fetch, [place, *(ir.Constant(number, value) for value in (0, 3, 1))])


def _splat(builder: Any, line: Any, value: Any) -> Any:
    """One number in all lanes."""
    nothing = ir.Constant(line, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, lanes)


@numba.njit(nogil=True, cache=True)
def _block(x, weights, residual, out, depth, tile, group):  # type: ignore[no-untyped-def]
    """Scores of some rows: x (n · d,), residual (n · C padded,), weights as of `in_lines`."""
    rows = len(out)
    across = len(residual) // rows
    classes = len(tile)
    size = (1 + (depth + LANES - 1) // LANES) * classes * LANES
    found = np.empty(2, dtype=np.float32)
    out[:] = 0.0
    for part in range(across // classes):
        own = part * classes
        for row in range(0, rows, len(group)):
            other = min(row + len(group), rows) - 1
            _sums(
                x, row * depth, other * depth, weights, part * size,
                residual, row * across + own, other * across + own, found, depth, tile, group,
            )  # fmt: skip
            out[row] += found[0]
            if other > row:
                out[other] += found[1]


def tile_of(classes: int) -> int:
    """How many classes are taken at a time: one, or even, so that few shapes are ever compiled."""
    if classes == 1:
        return 1
    tiles = -(-classes // _TILE)
    each = -(-classes // tiles)
    return each + each % 2


def in_lines(weights: F32, bias: F32) -> F32:
    """(d, C) and (C,) in the flat order that the kernel reads, one tile of classes after another.

    A tile has a line of LANES with the bias in front for each class; then for each line of
    features, one line for each class.
    """
    depth, classes = weights.shape
    tile = tile_of(classes)
    tiles, lines = -(-classes // tile), -(-depth // LANES)
    placed = np.zeros((lines * LANES, tiles * tile), dtype=np.float32)
    whole = (lines - 1) * LANES
    placed[:whole, :classes] = weights[:whole]
    placed[lines * LANES - (depth - whole) :, :classes] = weights[whole:]
    table = np.zeros((tiles, 1 + lines, tile, LANES), dtype=np.float32)
    start = np.zeros(tiles * tile, dtype=np.float32)
    start[:classes] = bias
    table[:, 0, :, 0] = start.reshape(tiles, tile)
    table[:, 1:] = placed.reshape(lines, LANES, tiles, tile).transpose(2, 0, 3, 1)
    out = aligned(table.size)
    out[:] = table.reshape(-1)
    return out


def _padded(residual: F32, tile: int) -> F32:
    """(n, C) with zeros behind, up to whole tiles."""
    short = -residual.shape[1] % tile
    return np.ascontiguousarray(np.pad(residual, ((0, 0), (0, short))) if short else residual)


@numba.njit(nogil=True, cache=True)
def _weighed(residual, shared, out):  # type: ignore[no-untyped-def]
    """residual (n, C) times shared (C,): a library would wake its own threads for so little."""
    for i in range(len(out)):
        total = np.float32(0.0)
        for c in range(len(shared)):
            total += residual[i, c] * shared[c]
        out[i, 0] = total


def has_halves() -> bool:
    """Whether compiled code turns float16 into float32 in the vector unit of this machine."""
    if numba.config.CPU_NAME is not None or numba.config.CPU_FEATURES is not None:
        return False  # compiled for another machine than this
    arm = platform.machine().lower() in {"arm64", "aarch64"}
    return arm or bool(llvm.get_host_cpu_features().get("f16c"))


@dataclass(frozen=True)
class SingleKernel:
    """Weights (d, C) and biases (C,) of one target, ready to be met by rows.

    With `shared` (C,), all classes have the same weights (d, 1), and a row's residual is the sum
    of its residuals times these.
    """

    lines: F32
    tile: int
    shared: F32 | None = None

    @classmethod
    def of(cls, weights: F32, bias: F32, shared: F32 | None = None) -> "SingleKernel":
        """Lay them out once; d must be at least LANES."""
        return cls(in_lines(weights, bias), tile_of(len(bias)), shared)

    def scores(self, x: F32 | F16, residual: F32) -> F32:
        """Σ_c residual_ic (x_i · w_c + bias_c) of rows x (n, d) and residual (n, C), (n,).

        x may be float16 where `has_halves`: half the memory is what a scan waits for.
        """
        # Compiled functions take no float16; and read-only, as a mapped file is, is a type of its
        # own, for which nothing need be compiled a second time if all are.
        bits = np.ascontiguousarray(x).view(np.uint16 if x.dtype == np.float16 else np.float32)
        bits.flags.writeable = False
        rows, depth = bits.shape
        out = np.empty(rows, dtype=np.float32)
        # Weights are loaded once for two rows; where there is one weight a feature, that gains
        # less than reading memory in its order.
        group = (0,) if self.tile == 1 else (0, 0)

        def work(start: int) -> None:
            part = slice(start, start + _BLOCK)
            beside = self._beside(residual[part])
            _block(
                bits[part].reshape(-1), self.lines, beside.reshape(-1), out[part], depth,
                (0,) * self.tile, group,
            )  # fmt: skip

        in_threads(work, range(0, rows, _BLOCK))
        return out

    def _beside(self, residual: F32) -> F32:
        if self.shared is None:
            return _padded(residual, self.tile)
        out = np.empty((len(residual), 1), dtype=np.float32)
        _weighed(residual, self.shared, out)
        return out
