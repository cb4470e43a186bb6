"""Plain numbers in a file at some place of it, read by rows: what .npy, .npz and safetensors hold.

Nothing is mapped: a mapped file that shrinks while it is read kills the process, and a read that
comes back short is a sentence.
"""

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from influence_core.errors import DataError

BLOCK_BYTES = 16 << 20
MOST_HEADER = 10 << 20  # bytes of a safetensors header
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


@dataclass(frozen=True)
class RawArray:
    """An array that lies in a file.

    Attributes:
        path: of the file, and `name` for people.
        offset: where its first number stands.
        dtype: of a number; `brain` says that 16 bits are the upper half of a float32.
        shape: (N,) or (N, d).
        by_columns: whether the numbers of a column stand together.
    """

    path: Path
    name: str
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    by_columns: bool = False
    brain: bool = False

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        """Some rows after the other, (n, d) or (n,).

        Raises:
            DataError: the file is shorter than its beginning says.
        """
        width = self.shape[1] if len(self.shape) > 1 else 1
        step = max(1, BLOCK_BYTES // max(1, width * self.dtype.itemsize))
        try:
            with self.path.open("rb") as file:
                for start in range(0, self.shape[0], step):
                    block = self._rows(file, start, min(step, self.shape[0] - start), width)
                    yield block if len(self.shape) > 1 else block[:, 0]
        except OSError as error:
            raise DataError(f"{self.name} cannot be read ({error.strerror}).") from error

    def _rows(self, file: IO[bytes], start: int, count: int, width: int) -> npt.NDArray[Any]:
        if self.by_columns:
            columns = [
                self._numbers(file, column * self.shape[0] + start, count)
                for column in range(width)
            ]
            return np.stack(columns, axis=1)
        return self._numbers(file, start * width, count * width).reshape(count, width)

    def _numbers(self, file: IO[bytes], first: int, count: int) -> npt.NDArray[Any]:
        file.seek(self.offset + first * self.dtype.itemsize)
        found = file.read(count * self.dtype.itemsize)
        if len(found) < count * self.dtype.itemsize:
            raise cut_short(self.name)
        numbers = np.frombuffer(found, dtype=self.dtype)
        if self.brain:
            return (numbers.astype(np.uint32) << 16).view(np.float32)
        return numbers


def cut_short(name: str) -> DataError:
    """What to say of a file that is shorter than it was, or says it is."""
    return DataError(
        f"{name} is shorter than its beginning says, or became so while it was read; "
        "write it again."
    )


def open_npy(path: Path, name: str) -> RawArray:
    """The array of a `.npy` file; only its header is read.

    Raises:
        DataError: it is none, is cut short, or holds objects (pickle).
    """
    with path.open("rb") as file:
        try:
            version = npy.read_magic(file)
            reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, by_columns, dtype = reader(file)
        # NumPy reads the header as Python source, and raises whatever a parser raises.
        except Exception as error:
            raise DataError(f"{name} is no .npy file that can be read; write it again.") from error
        found = RawArray(path, name, file.tell(), dtype, shape, by_columns)
    _refuse_short(found)
    return found


def _refuse_short(array: RawArray) -> None:
    if array.dtype.hasobject:
        raise DataError(
            f"{array.name} holds Python objects, which are not read; save an array of numbers."
        )
    wanted = array.offset + int(np.prod(array.shape, dtype=object)) * array.dtype.itemsize
    if array.path.stat().st_size < wanted:
        raise cut_short(array.name)


def open_npz(path: Path, name: str, folder: Path) -> dict[str, RawArray]:
    """The arrays of a `.npz` file, each unpacked into a file of its own in `folder`.

    Raises:
        DataError: it is no ZIP, or what is in it does not fit on the disk.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            members = [info for info in packed.infolist() if info.filename.endswith(".npy")]
            room = os.statvfs(folder)
            if sum(info.file_size for info in members) > room.f_bavail * room.f_frsize // 2:
                raise DataError(f"{name} would unpack to more than the disk has room for.")
            found = {}
            for number, info in enumerate(members):
                place = folder / f"{number}.npy"
                with packed.open(info) as source, place.open("wb") as target:
                    while part := source.read(BLOCK_BYTES):
                        target.write(part)
                found[info.filename.removesuffix(".npy")] = open_npy(place, name)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise DataError(f"{name} is no .npz file that can be read; write it again.") from error
    return found


def open_safetensors(path: Path, name: str) -> dict[str, RawArray]:
    """The tensors of a safetensors file; only its header is read.

    Raises:
        DataError: the header is damaged, or speaks of numbers that are not there.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > MOST_HEADER:
                raise ValueError("header")
            header = json.loads(file.read(size))
        found = {
            str(key): _tensor(path, name, 8 + size, value)
            for key, value in header.items()
            if key != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{name} is no safetensors file that can be read; write it again."
        ) from error
    for array in found.values():
        _refuse_short(array)
    return found


def _tensor(path: Path, name: str, data: int, told: Mapping[str, Any]) -> RawArray:
    shape = tuple(int(n) for n in told["shape"])
    dtype, offset = np.dtype(_TYPES[told["dtype"]]), int(told["data_offsets"][0])
    if offset < 0 or min(shape, default=0) < 0:
        raise ValueError("offsets")
    return RawArray(path, name, data + offset, dtype, shape, brain=told["dtype"] == "BF16")
