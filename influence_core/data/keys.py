"""A stable 64-bit key for every instance: what masks, reviews and links hold on to.

A key comes from the id that the user's data carries, else from the content (the sentence or the
image bytes), never from the row number. So dropping, adding or reordering rows leaves every other
key, and with it every other mask, as it was, and a relabelled row keeps its key. Exact duplicates
get a running number: they are interchangeable, so which of them comes first does not matter.
`data.dataset.build_dataset` is the only caller that matters.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from influence_core.disk.records import Stored
from influence_core.errors import DataError

Keys = npt.NDArray[np.uint64]
_HEX = re.compile("[0-9A-Fa-f]{1,16}")

# Different purposes draw from different hash functions: an id "7" is not a sentence "7".
_ID = b"turnover-id"
_CONTENT = b"turnover-content"
_REPEAT = b"turnover-repeat"


def to_hex(key: int) -> str:
    """A key as files, databases and the address bar write it: 16 hexadecimal digits."""
    return f"{int(key):016x}"


def from_hex(text: object) -> int:
    """A key that came from outside; zeros in front may be missing, as after a spreadsheet.

    Raises:
        DataError: it is no text of 1 to 16 hexadecimal digits.
    """
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise DataError(f"{str(text)[:80]!r} is no key; a key has 1 to 16 digits 0-9 and a-f.")
    return int(text, 16)


# A key, or a hash of 64 bits, of a stored record.
HexKey = Annotated[int, Stored(from_hex, to_hex)]


def _hash_all(items: Iterable[str | bytes], person: bytes) -> Keys:
    """blake2b-64 of each item; text counts as its UTF-8 bytes."""
    digests = bytearray()
    for item in items:
        # Lone surrogates can stand in Parquet-free Python strings; they must not stop an import.
        data = item.encode("utf-8", "surrogatepass") if isinstance(item, str) else item
        digests += blake2b(data, digest_size=8, person=person).digest()
    return np.frombuffer(bytes(digests), dtype="<u8").astype(np.uint64)


def content_hashes(contents: Iterable[str | bytes]) -> Keys:
    """Hash of every content, equal exactly for equal contents; streams over the items.

    Args:
        contents: N sentences, or N encoded images.

    Returns:
        uint64 (N,).
    """
    return _hash_all(contents, _CONTENT)


def occurrence_numbers(hashes: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """How many equal values stand before each one: (N,), 0 for every first occurrence."""
    order = np.argsort(hashes, kind="stable")
    ranked = hashes[order]
    starts = np.r_[True, ranked[1:] != ranked[:-1]] if ranked.size else np.zeros(0, dtype=bool)
    # Position of the first member of each run of equal values, spread over the run.
    first = np.maximum.accumulate(np.where(starts, np.arange(ranked.size), 0))
    numbers = np.empty(hashes.size, dtype=np.int64)
    numbers[order] = np.arange(ranked.size) - first
    return numbers


def number_repeats(hashes: Keys) -> Keys:
    """Make equal hashes distinct by their occurrence number; first occurrences stay as they are."""
    numbers = occurrence_numbers(hashes)
    keys = hashes.copy()
    repeated = np.flatnonzero(numbers)
    pairs = np.stack([hashes[repeated], numbers[repeated].astype(np.uint64)], axis=1).astype("<u8")
    keys[repeated] = _hash_all((pair.tobytes() for pair in pairs), _REPEAT)
    return keys


def keys_from_ids(ids: Sequence[str], *, repeated: bool = False) -> Keys:
    """Keys of rows that carry an id of their own.

    Args:
        ids: N strings, all different.
        repeated: let equal ids pass, numbered like equal contents; only for looking at bad data.

    Returns:
        uint64 (N,).

    Raises:
        DataError: an id stands twice.
    """
    hashes = _hash_all(ids, _ID)
    if repeated:
        return number_repeats(hashes)
    repeats = np.flatnonzero(occurrence_numbers(hashes))
    if repeats.size:
        again = int(repeats[0])
        first = int(np.flatnonzero(hashes == hashes[again])[0])
        raise DataError(
            f"The id {ids[again]!r} stands at rows {first + 1} and {again + 1}; ids must be "
            "unique: fix the id column, choose another one (--id), or use none (--no-id), then the "
            "content tells rows apart."
        )
    return hashes


def make_keys(
    *, ids: Sequence[str] | None = None, contents: Iterable[str | bytes] | None = None
) -> Keys:
    """The key rule: from the ids if there are any, else from the contents.

    Args:
        ids: N unique ids, or None.
        contents: N sentences or encoded images; read only if `ids` is None.

    Returns:
        uint64 (N,), all different.

    Raises:
        DataError: an id stands twice, or neither ids nor contents are given.
    """
    if ids is not None:
        return keys_from_ids(ids)
    if contents is None:
        raise DataError("Keys need ids or contents; pass one of the two.")
    return number_repeats(content_hashes(contents))
