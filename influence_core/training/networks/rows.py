"""Rows as a whole network takes them: tensors in memory, or made from a split batch by batch.

Training asks for random positions, evaluation for positions in an order that wastes little
padding. Both go through `NetworkRows.inputs`, so the network never learns where rows come from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from influence_core.data.dataset import Split
from influence_core.data.images import open_image
from influence_core.errors import DataError
from influence_core.turnover.calls import Inputs, take_rows
from influence_core.turnover.masks import as_keys

MAX_TOKENS = 256
# Prepared images up to this many bytes are kept; larger sets are decoded in every epoch.
RESIDENT_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class NetworkRows:
    """N rows for a network.

    Attributes:
        labels: (N,) int64; -1 where there is none.
        keys: (N,) int64 keys of the rows.
        inputs: positions to model inputs on the CPU, rows in the order of the positions.
        order: (N,) positions for evaluation, similar lengths together.
        augment: changes the inputs of a training batch; None leaves them.
    """

    labels: Tensor
    keys: Tensor
    inputs: Callable[[Sequence[int]], Inputs]
    order: np.ndarray
    augment: Callable[[Inputs], Inputs] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def tensor_rows(
    inputs: Inputs,
    labels: Tensor,
    keys: Tensor | np.ndarray,
    augment: Callable[[Inputs], Inputs] | None = None,
) -> NetworkRows:
    """Rows whose inputs are in memory already: a tensor, a tuple or a dictionary of them."""
    return NetworkRows(
        labels.long(),
        as_keys(keys),
        lambda positions: take_rows(inputs, list(positions)),
        np.arange(len(labels)),
        augment,
    )


def split_rows(split: Split, prepare: Callable[[Sequence[Any]], Inputs]) -> NetworkRows:
    """Rows of a split through a function of your own.

    Args:
        split: sentences or images.
        prepare: sentences, or encoded images as bytes, to what the model takes, rows first.
    """
    return NetworkRows(
        torch.from_numpy(np.array(split.labels)),
        as_keys(split.keys),
        lambda positions: prepare(split.items(list(positions))),
        _by_length(split),
    )


def image_rows(
    split: Split, prepare: Callable[[Image.Image], Tensor], *, mirror: bool = False
) -> NetworkRows:
    """Rows of an image split; small sets are decoded once.

    Args:
        split: encoded images. prepare: picture to (C, H, W).
        mirror: flip half of every training batch's rows left to right.

    Raises:
        DataError: an image cannot be read; the error names the row.
    """

    def one(position: int) -> Tensor:
        name = f"the image of row {split.ids[position]!r}"
        return prepare(open_image(split.image_bytes(position), name))

    size = one(0).numel() * 4 * len(split) if len(split) else 0
    if size <= RESIDENT_BYTES:
        resident = torch.stack([one(i) for i in range(len(split))])

        def inputs(positions: Sequence[int]) -> Inputs:
            return take_rows(resident, list(positions))
    else:

        def inputs(positions: Sequence[int]) -> Inputs:
            return torch.stack([one(int(i)) for i in positions])

    return NetworkRows(
        torch.from_numpy(np.array(split.labels)),
        as_keys(split.keys),
        inputs,
        np.arange(len(split)),
        mirror_half if mirror else None,
    )


def tokens(tokenizer: Any, texts: list[str], max_tokens: int = MAX_TOKENS) -> dict[str, Tensor]:
    """Sentences as padded tokens and their mask, (n, T) each."""
    return dict(
        tokenizer(texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    )


def text_rows(split: Split, tokenizer: Any, max_tokens: int = MAX_TOKENS) -> NetworkRows:
    """Rows of a text split, padded to the longest sentence of each batch.

    Raises:
        DataError: there are no rows.
    """
    if not len(split):
        raise DataError(f"Split {split.name!r} has no rows.")
    encoded = tokenizer(split.texts(), truncation=True, max_length=max_tokens)

    def inputs(positions: Sequence[int]) -> Inputs:
        rows = [{name: values[int(i)] for name, values in encoded.items()} for i in positions]
        return dict(tokenizer.pad(rows, return_tensors="pt"))

    lengths = [len(ids) for ids in encoded["input_ids"]]
    return NetworkRows(
        torch.from_numpy(np.array(split.labels)),
        as_keys(split.keys),
        inputs,
        np.argsort(lengths, kind="stable"),
    )


def _by_length(split: Split) -> np.ndarray:
    if split.content_column != "text":
        return np.arange(len(split))
    return np.argsort([len(text) for text in split.texts()], kind="stable")


def mirror_half(inputs: Inputs) -> Inputs:
    """Flip a random half of the pictures left to right: (B, C, H, W)."""
    if not isinstance(inputs, Tensor):
        return inputs
    flip = torch.rand(len(inputs)) < 0.5
    return torch.where(flip.view(-1, 1, 1, 1), inputs.flip(3), inputs)
