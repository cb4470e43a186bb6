"""Items: a row of a split, or a sentence or image of the user's own, as the model sees it.

A training row is seen by its flipped side. No ranking of rows belongs here: that is `explain`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.data.dataset import CONTENT_WORDS
from influence_core.errors import DataError, ModelError
from influence_core.workflow.explain.flipped import flipped_predictions, flipped_proba
from influence_core.workflow.session import Session

Toward = Literal["true", "predicted"]
Which = Literal["errors", "right", "all"]


@dataclass(frozen=True)
class Item:
    """What is being explained: its features in the run's standardisation, and the model's view."""

    features: torch.Tensor  # (d,)
    proba: npt.NDArray[np.float32]  # (C,)
    true: int | None  # class number, None where nobody has said
    split: str | None = None
    key: int | None = None
    content: str | bytes | None = None  # of the user's own; that of a split is read when needed

    @property
    def predicted(self) -> int:
        """The most probable class."""
        return int(self.proba.argmax())


def find_item(session: Session, split: str, key: int) -> Item:
    """A row of a split as an item; a training row as its flipped side sees it.

    Raises:
        DataError: there is no such split or key.
    """
    data = session.project.dataset.split(split)
    position = data.position(key)
    features, proba = as_items(session, split, np.array([position]))
    label = int(data.labels[position])
    return Item(features[0], proba[0], label if label >= 0 else None, split, key)


def as_items(
    session: Session, split: str, positions: npt.NDArray[np.int64]
) -> tuple[torch.Tensor, npt.NDArray[np.float32]]:
    """Features (T, d) and probabilities (T, C) of rows of a split, as items are judged."""
    features = session.split_features(split).rows(torch.from_numpy(positions))
    if split == "train":
        return features, flipped_proba(session, positions)
    return features, session.proba(features, split, positions).cpu().numpy()


def own_item(session: Session, content: str | bytes, label: str | None = None) -> Item:
    """A sentence or image of the user's own as an item.

    Raises:
        DataError: empty text, unreadable image, a kind of content the project has none of.
        ModelError: the label is not one of the classes.
    """
    if isinstance(content, str) == (session.project.dataset.modality == "image"):
        one, several = CONTENT_WORDS[session.project.dataset.modality]
        raise DataError(f"Project '{session.project.name}' holds {several}; give it {one}.")
    if isinstance(content, str) and not content.strip():
        raise DataError("The sentence is empty; type at least one word.")
    raw = session.encoder().encode([content])
    raw32 = torch.from_numpy(np.asarray(raw, dtype=np.float16).astype(np.float32))
    reference = session.features
    features = (raw32[0].to(session.device) - reference.mean) * reference.scale
    proba = session.head.proba(features[None])[0].cpu().numpy()
    true = class_number(session, label)
    return Item(features, proba, true, content=content)


def class_number(session: Session, label: str | None) -> int | None:
    """The number of a class name; the error lists the classes."""
    if label is None:
        return None
    if label not in session.classes:
        known = ", ".join(session.classes[:20])
        raise ModelError(f"The model does not know the label '{label}'; its classes are {known}.")
    return session.classes.index(label)


def item_content(session: Session, item: Item) -> str | bytes:
    """The sentence or the encoded picture."""
    if item.content is not None or item.split is None or item.key is None:
        return item.content or ""
    split = session.project.dataset.split(item.split)
    found: str | bytes = split.items([split.position(item.key)])[0]
    return found


def asked_label(item: Item, toward: Toward) -> int:
    """The class whose loss is asked about."""
    if toward == "predicted":
        return item.predicted
    if item.true is None:
        raise DataError("This item has no true label; ask toward the predicted label instead.")
    return item.true


def misclassified(session: Session, split: str) -> pd.DataFrame:
    """The wrong items of a split, worst first: least probability of the true label.

    Columns: key, id, label, predicted (class names), confidence, p_label. Ties are broken by key,
    so the order is the same each time.
    """
    return labelled_items(session, split, "errors")


def labelled_items(session: Session, split: str, which: Which) -> pd.DataFrame:
    """The items of a split that have a label, in the columns and order of `misclassified`.

    Args:
        which: the wrong ones ("errors"), those predicted rightly ("right"), or "all".
    """
    table = predictions(session, split)
    known, right = table["label_number"] >= 0, table["label"] == table["predicted"]
    chosen = {"errors": known & ~right, "right": known & right, "all": known}[which]
    return table[chosen].sort_values(["p_label", "key"]).reset_index(drop=True)


def predictions(session: Session, split: str) -> pd.DataFrame:
    """All items of a split, label and prediction (`find_item`) as class names and as numbers."""
    data = session.project.dataset.split(split)
    own = split == "train"
    table = flipped_predictions(session) if own else session.run.table(f"pred-{split}")
    names = np.array([*session.classes, ""], dtype=object)  # -1, no label, is the empty name
    return pd.DataFrame(
        {
            "key": table["key"],
            "id": data.ids,
            "label": names[table["label"].to_numpy()],
            "predicted": names[table["predicted"].to_numpy()],
            "confidence": table["confidence"],
            "p_label": table["p_label"],
            "label_number": table["label"],
            "predicted_number": table["predicted"],
        }
    )
