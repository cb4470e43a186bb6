"""The tables of a run: one line a training row, one line an item of the other splits.

Heads (`train`) and whole networks (`networks`) keep the same columns, so pages read either.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.data.dataset import Split
from influence_core.influence.base import HeadWeights
from influence_core.influence.sides import Sides
from influence_core.training.features import Standardised
from influence_core.workflow.session_network import LastLayer

_CHUNK = 2048


def row_table(split: Split, sides: Sides, aum: npt.NDArray[np.floating] | None) -> pd.DataFrame:
    """One line a training row; probabilities in [0, 1], self-influence in nats."""
    labels = np.asarray(split.labels)
    index = np.arange(len(labels))
    return pd.DataFrame(
        {
            "key": split.keys,
            "label": labels,
            "flipped_label": sides.flipped[index, labels],
            "learned_label": sides.learned[index, labels],
            "flipped_predicted": sides.flipped.argmax(1),
            "flipped_confidence": sides.flipped.max(1),
            "self_influence": sides.self_influence,
            "self_influence_stderr": sides.stderr,
            "aum": np.full(len(labels), np.nan, np.float32) if aum is None else aum,
        }
    )


def prediction_table(
    split: Split, head: HeadWeights | LastLayer, features: Standardised
) -> pd.DataFrame:
    """One line an item of a split: label, prediction, confidence, probability of the label."""
    parts = [
        head.proba(features.rows(torch.arange(start, min(start + _CHUNK, len(features)))))
        for start in range(0, len(features), _CHUNK)
    ]
    return predictions(split, torch.cat(parts).cpu().numpy())


def predictions(split: Split, proba: npt.NDArray[np.floating]) -> pd.DataFrame:
    """The same from class probabilities (n, C)."""
    labels = np.asarray(split.labels)
    of_label = np.where(labels >= 0, proba[np.arange(len(labels)), np.maximum(labels, 0)], np.nan)
    return pd.DataFrame(
        {
            "key": split.keys,
            "label": labels,
            "predicted": proba.argmax(1),
            "confidence": proba.max(1),
            "p_label": of_label.astype(np.float32),
        }
    )


def split_metrics(name: str, table: pd.DataFrame) -> Mapping[str, float]:
    """Accuracy and mean loss in nats over the labelled items of a split."""
    known = table[table["label"] >= 0]
    if known.empty:
        return {}
    return {
        f"{name}_accuracy": float((known["label"] == known["predicted"]).mean()),
        f"{name}_loss": float(-np.log(known["p_label"].clip(1e-12)).mean()),
    }
