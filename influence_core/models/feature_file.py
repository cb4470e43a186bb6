"""One feature file and its card: what survives a kill, and what is not believed afterwards.

`<split>.npy` is a float16 array (N, dim) that is allocated whole and filled block by block;
`<split>.json`, its card, says what it belongs to and how many distinct contents are in it. A block
reaches the disk before the card that counts it, so the card never promises too much. Only
`models.features` writes through here; `store.project` reads the card's `done` and `rows`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from influence_core.disk.arrays import map_array, new_array
from influence_core.disk.atomic import plain_errors, write_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.errors import MismatchError, StoreError

# In the card: its writer chose between cutting long texts and reading them in windows.
WINDOWS = "windows"


def knows_windows(path: Path) -> bool:
    """Whether the features at `path` are as this version would make them."""
    try:
        return bool(json.loads(path.with_suffix(".json").read_bytes()).get(WINDOWS))
    except (OSError, ValueError, AttributeError):
        return False


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
        if items:
            return map_array(self.path, "r+")
        with plain_errors("write", self.path):
            # The old card must not speak for the new array; who has the old array mapped keeps it.
            self._card_path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            try:
                return new_array(self.path, np.float16, self._shape)
            except OSError:
                self.path.unlink(missing_ok=True)
                raise

    def save(self, features: np.memmap[Any, Any], items: int, *, finished: bool) -> None:
        """Bring what was written to the disk, then count it.

        Raises:
            StoreError: the disk is full or not writable.
        """
        done = self.card["rows"] if finished else 0
        with plain_errors("write", self.path):
            features.flush()
        self.count(items, done)

    def count(self, items: int, done: int) -> None:
        """Say of an array that is on the disk how many contents and rows are done.

        Raises:
            StoreError: the disk is full or not writable.
        """
        card = {**self.card, "done": done, "items": items, WINDOWS: True}
        write_json(self._card_path, stamped("features", card))

    def mark(self) -> None:
        """Say of a finished file of an earlier version that windows would not change it."""
        found = self._found()
        if not found.get(WINDOWS):
            write_json(self._card_path, stamped("features", {**found, WINDOWS: True}))

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
