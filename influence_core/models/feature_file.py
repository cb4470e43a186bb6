"""One feature file and its card: what survives a kill, and what is not believed afterwards.

`<split>.npy` is a float16 array (N, dim) that is allocated whole and filled block by block;
`<split>.json`, its card, says what it belongs to and how many distinct contents are in it. A block
reaches the disk before the card that counts it, so the card never promises too much. Only
`models.features` writes through here; `store.project` reads the card's `done` and `rows`.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from numpy.lib.format import open_memmap

from influence_core.disk.arrays import map_array
from influence_core.disk.formats import stamped, upgraded
from influence_core.errors import MismatchError, StoreError
from influence_core.progress import check_cancel

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class FeatureFile:
    """The array at `path`, and beside it the card.

    Attributes:
        path: of the `.npy` file.
        card: `split`, `rows`, `dim` and the fingerprints of encoder and data.
    """

    path: Path
    card: Mapping[str, Any]

    def finished(self) -> bool:
        """Whether all rows are there."""
        return self._intact() and self._found().get("done") == self.card["rows"]

    def begun(self) -> int:
        """How many distinct contents, in work order, are safely there."""
        count = self._found().get("items")
        return count if isinstance(count, int) and count > 0 and self._intact() else 0

    def read(self) -> npt.NDArray[np.float16]:
        """The array, mapped for reading."""
        return map_array(self.path)

    def write_from(self, items: int) -> np.memmap[Any, Any]:
        """Map the array for writing; a new one if nothing is there yet.

        Raises:
            StoreError: the disk is full or not writable.
        """
        try:
            return map_array(self.path, "r+") if items else self._new()
        except OSError as error:
            raise _not_written(self.path, error) from error

    def save(self, features: np.memmap[Any, Any], items: int, *, finished: bool) -> None:
        """Bring what was written to the disk, then count it.

        Raises:
            StoreError: the disk is full or not writable.
        """
        done = self.card["rows"] if finished else 0
        card = stamped("features", {**self.card, "done": done, "items": items})
        temporary = self._card_path.with_suffix(".json.tmp")
        try:
            features.flush()
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(card, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._card_path)
        except OSError as error:
            raise _not_written(self._card_path, error) from error

    @property
    def _card_path(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def _shape(self) -> tuple[int, int]:
        return self.card["rows"], self.card["dim"]

    def _found(self) -> dict[str, Any]:
        """The card on disk; empty if there is none or it cannot be read."""
        try:
            found = json.loads(self._card_path.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        found = upgraded("features", found, self._card_path)
        for name, value in self.card.items():
            if found.get(name) != value:
                raise MismatchError(
                    f"{self.path} was made with another {name.replace('_', ' ')} than this one; "
                    "delete it and train again."
                )
        return found

    def _intact(self) -> bool:
        """Whether the array has its full size; mapped for writing, a short one would be padded."""
        try:
            features = self.read()
        except StoreError:
            return False
        return features.shape == self._shape and features.dtype == np.float16

    def _new(self) -> np.memmap[Any, Any]:
        # The old card must not speak for the new array; who has the old array mapped keeps it.
        self._card_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        try:
            features = open_memmap(self.path, mode="w+", dtype=np.float16, shape=self._shape)
            if hasattr(os, "posix_fallocate"):
                # Take the space now: a mapped file that finds the disk full kills the process.
                with self.path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, self.path.stat().st_size)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        return features


@contextmanager
def alone(path: Path, cancel: threading.Event | None) -> Iterator[None]:
    """One writer of this file at a time; the lock ends with its process, however that ends.

    Raises:
        CancelledError: the user stopped while another process was at work.
        StoreError: the folder is not writable.
    """
    lock = FileLock(path.with_suffix(".lock"))
    try:
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_POLL_SECONDS)
            except Timeout:
                check_cancel(cancel)
    except (OSError, NotImplementedError) as error:
        raise _not_written(path, error) from error
    try:
        yield
    finally:
        lock.release()


def _not_written(path: Path, error: Exception) -> StoreError:
    why = getattr(error, "strerror", None) or str(error)
    return StoreError(
        f"{path} cannot be written ({why}); free some disk space or check the folder's rights."
    )
