"""Features on disk: written once a data set and encoder, memory-mapped ever after.

`encode_split` walks over the distinct contents of a split, block by block, and stores each block
with `FeatureFile`, which keeps the promise that a kill at any moment loses one block at most.
`workflow.train` calls it before training, `store.project` maps the result.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from influence_core.data.dataset import Split
from influence_core.data.images import image_problem
from influence_core.disk.locks import locked
from influence_core.errors import DataError
from influence_core.models.encoders import Encoder
from influence_core.models.feature_file import FeatureFile
from influence_core.progress import Progress, ProgressFn, check_cancel

BLOCK = 256  # distinct contents between two safe points

Positions = npt.NDArray[np.int64]
Values = npt.NDArray[np.float16]
# Features (n, dim) of blocks of rows, in the order of the blocks; may take several at a time.
Compute = Callable[[Iterable[Positions]], Iterable[Values]]


def encode_split(
    encoder: Encoder,
    split: Split,
    path: Path,
    *,
    dataset_fingerprint: str,
    compute: Compute | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Values:
    """Encode a split, or finish what was begun, and map the result.

    Rows of equal content are encoded once; the order of work is by length of text, so batches
    hold little padding, and fixed, so that a resumed file equals an unbroken one. A damaged file
    is begun again. Where two processes want the same features, the second waits for the first.

    Args:
        compute: who encodes; the encoder in this process by default.

    Returns:
        (N, dim) float16, memory-mapped, read-only.

    Raises:
        MismatchError: the file belongs to other data or another encoder.
        DataError: a picture is broken, or a row's features are no finite float16 numbers.
        StoreError: the disk is full or not writable.
        CancelledError: the finished blocks stay and the next call goes on.
    """
    file = FeatureFile(
        path,
        {
            "split": split.name,
            "rows": len(split),
            "dim": encoder.dim,
            "encoder_fingerprint": encoder.fingerprint,
            "dataset_fingerprint": dataset_fingerprint,
        },
    )
    if file.finished():
        file.mark()
    else:
        with locked(path, cancel=cancel):
            if not file.finished():  # another process may have been at it

                def here(blocks: Iterable[Positions]) -> Iterator[Values]:
                    return (block_values(encoder, split, rows) for rows in blocks)

                _encode(split, file, compute or here, progress, cancel)
    return file.read()


def _encode(
    split: Split,
    file: FeatureFile,
    compute: Compute,
    progress: ProgressFn | None,
    cancel: threading.Event | None,
) -> None:
    first, copies = _distinct(split)
    order = _work_order(split, first)
    begun = file.begun()
    features = file.write_from(begun)
    started = time.monotonic()

    def tell(done: int) -> None:
        if progress:
            rate = (done - begun) / max(time.monotonic() - started, 1e-9)
            progress(Progress("encode", done, len(order), split.name, {"per_second": rate}))

    tell(begun)
    check_cancel(cancel)
    starts = range(begun, len(order), BLOCK)
    blocks = (first[order[start : start + BLOCK]] for start in starts)
    for start, values in zip(starts, compute(blocks), strict=True):
        part = order[start : start + BLOCK]
        rows, item = copies.of(part)
        features[rows] = values[item]
        file.save(features, start + len(part), finished=start + len(part) == len(order))
        tell(start + len(part))
        check_cancel(cancel)


def block_values(encoder: Encoder, split: Split, rows: Positions) -> Values:
    """(n, dim) features of these rows.

    Raises:
        DataError: a picture is broken, or a row's features are no finite float16 numbers.
    """
    items = split.items(rows)
    try:
        exact = encoder.encode(items)
    except DataError as error:
        raise _naming_the_row(error, split, rows, items) from error
    with np.errstate(over="ignore"):
        values: Values = exact.astype(np.float16)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise DataError(
            f"The encoder {encoder.name} gives row {split.ids[rows[bad.argmax()]]!r} of split "
            f"{split.name!r} features that are NaN, infinite or beyond ±65,504, the range of "
            "float16; leave the row out or choose another encoder."
        )
    return values


def _naming_the_row(
    error: DataError, split: Split, rows: Positions, items: Sequence[str] | Sequence[bytes]
) -> DataError:
    """The encoder knows a picture only by its bytes; say which row's it is."""
    for row, item in zip(rows, items, strict=True):
        problem = image_problem(item) if isinstance(item, bytes) else None
        if problem:
            return DataError(
                f"The image of row {split.ids[row]!r} in split {split.name!r} is {problem}; save "
                "it again or leave the row out."
            )
    return error


@dataclass(frozen=True)
class _Copies:
    """Which rows hold each distinct content: those of content i are rows[starts[i]:starts[i+1]]."""

    rows: Positions  # (N,)
    starts: Positions  # (distinct + 1,)

    def of(self, items: Positions) -> tuple[Positions, Positions]:
        """All rows of these contents, and for each the place of its content in `items`."""
        counts = self.starts[items + 1] - self.starts[items]
        item = np.repeat(np.arange(len(items)), counts)
        nth = np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.rows[self.starts[items][item] + nth], item


def _distinct(split: Split) -> tuple[Positions, _Copies]:
    """First row of every distinct content, and all rows of each."""
    _, first, inverse = np.unique(split.content_hashes, return_index=True, return_inverse=True)
    rows = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[rows], np.arange(len(first) + 1))
    return first.astype(np.int64), _Copies(rows, starts.astype(np.int64))


def _work_order(split: Split, first: Positions) -> Positions:
    """Distinct contents by length of text, or as they come."""
    if split.content_column != "text":
        return np.argsort(first, kind="stable")
    lengths: npt.NDArray[Any] = pc.utf8_length(split.table["text"]).to_numpy()
    return np.lexsort((first, lengths[first]))
