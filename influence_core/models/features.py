"""Features on disk: written once a data set and trunk, memory-mapped ever after.

`<split>.npy` is a float16 array (N, dim) that is allocated whole and filled block by block;
`<split>.json` beside it says what it belongs to and how many distinct contents are done. After a
kill, encoding goes on at the last finished block and ends with the same bytes.
"""

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from influence_core.data.dataset import Split
from influence_core.errors import MismatchError, StoreError
from influence_core.models.trunks import Trunk
from influence_core.progress import Progress, ProgressFn, check_cancel

BLOCK = 512  # distinct contents between two safe points


def encode_split(
    trunk: Trunk,
    split: Split,
    path: Path,
    *,
    dataset_fingerprint: str,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> npt.NDArray[np.float16]:
    """Encode a split, or finish what was begun, and map the result.

    Rows of equal content are encoded once; the order of work is by length of text, so batches
    hold little padding, and fixed, so that a resumed file equals an unbroken one.

    Raises:
        MismatchError: the file belongs to other data or another trunk.
        CancelledError: the finished blocks stay and the next call goes on.
    """
    card_path = path.with_suffix(".json")
    card: dict[str, Any] = {
        "split": split.name,
        "rows": len(split),
        "dim": trunk.dim,
        "trunk_fingerprint": trunk.fingerprint,
        "dataset_fingerprint": dataset_fingerprint,
    }
    first, inverse = _distinct(split)
    done = _begun(path, card_path, card)
    if done == len(split):
        return np.load(path, mmap_mode="r", allow_pickle=False)
    order = _work_order(split, first)
    features = _open(path, card, fresh=done == 0)
    _write_card(card_path, card, done_rows=0, done_items=done)
    started = time.monotonic()
    copies = _copies(inverse, len(first))
    for start in range(done, len(order), BLOCK):
        check_cancel(cancel)
        part = order[start : start + BLOCK]
        values = trunk.encode(split.items(first[part])).astype(np.float16)
        for item, value in zip(part, values, strict=True):
            features[copies[item]] = value
        features.flush()
        stop = start + len(part)
        finished = stop == len(order)
        _write_card(card_path, card, len(split) if finished else 0, stop)
        if progress:
            rate = (stop - done) / max(time.monotonic() - started, 1e-9)
            progress(Progress("encode", stop, len(order), split.name, {"per_second": rate}))
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _distinct(split: Split) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    _, first, inverse = np.unique(split.content_hashes, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


def _copies(inverse: npt.NDArray[np.int64], items: int) -> list[npt.NDArray[np.int64]]:
    """Rows of each distinct content."""
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.searchsorted(inverse[order], np.arange(1, items)))


def _work_order(split: Split, first: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if split.content_column != "text":
        return np.argsort(first, kind="stable")
    lengths = np.array([len(text) for text in split.texts(first)])
    return np.lexsort((first, lengths))


def _begun(path: Path, card_path: Path, card: dict[str, Any]) -> int:
    """How many distinct contents are done; all rows' count when the file is complete."""
    if not (path.is_file() and card_path.is_file()):
        return 0
    try:
        found = json.loads(card_path.read_text("utf-8"))
    except ValueError:
        return 0
    for name, value in card.items():
        if found.get(name) != value:
            raise MismatchError(
                f"{path} was made with another {name.replace('_', ' ')} than this one; "
                "delete it and train again."
            )
    if found.get("done") == card["rows"]:
        return int(card["rows"])
    return int(found.get("items", 0))


def _open(path: Path, card: dict[str, Any], *, fresh: bool) -> np.memmap[Any, Any]:
    try:
        if fresh:
            return open_memmap(path, mode="w+", dtype=np.float16, shape=(card["rows"], card["dim"]))
        return open_memmap(path, mode="r+")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); free some disk space or check the "
            "folder's rights."
        ) from error


def _write_card(path: Path, card: dict[str, Any], done_rows: int, done_items: int) -> None:
    temporary = path.with_suffix(".json.tmp")
    temporary.write_text(json.dumps({**card, "done": done_rows, "items": done_items}), "utf-8")
    temporary.replace(path)
