"""What an answer comes to, in one sentence from its numbers.

Which rows the item was called by, how many of them look mislabelled, and whether the rows most like
it carry its label. Called by the Errors page and by `turnover explain`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from influence_core.data.keys import to_hex
from influence_core.workflow.explain.explain import Explanation
from influence_core.workflow.explain.noise import NoiseCheck
from influence_core.workflow.review.doubt import doubtful
from influence_core.workflow.review.nearest import Nearest, nearest_rows
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import Session


@dataclass(frozen=True)
class Verdict:
    """The numbers behind the sentence, and the sentence.

    Attributes:
        predicted, label: class names; the label is None where nobody has given one.
        toward: the class asked about: the predicted one, or why not the label.
        rows: listed training rows that pushed the model to what it predicted.
        suspicious: keys of those among them whose own label looks wrong, in the list's order.
        nearest: class name ("" for none) and how many of the nearest training rows carry it.
        label_doubtful: whether the nearest rows speak against the item's label.
        stands_out: False where a test against noise found no row; None where there is no such test.
    """

    predicted: str
    label: str | None
    toward: str
    rows: int
    suspicious: tuple[int, ...]
    nearest: tuple[tuple[str, int], ...]
    label_doubtful: bool
    stands_out: bool | None = None

    @property
    def right(self) -> bool:
        """Whether the prediction is the label."""
        return self.label == self.predicted

    def sentence(self, name: Callable[[str], str] = "*{}*".format) -> str:
        """All of it; `name` writes a class name, as a screen needs it."""
        return " ".join([*self._because(name), *self._label(name)])

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "sentence": self.sentence(),
            "rows": self.rows,
            "suspicious": [to_hex(key) for key in self.suspicious],
            "nearest": dict(self.nearest),
            "label_doubtful": self.label_doubtful,
            "stands_out": self.stands_out,
        }

    def _because(self, name: Callable[[str], str]) -> Iterator[str]:
        right = ", as its label says," if self.label == self.predicted else ""
        said = f"Called {name(self.predicted)}{right}"
        if self.toward != self.predicted:
            said = f"Not called {name(self.toward)}"
        rows = "this training row" if self.rows == 1 else f"these {self.rows} training rows"
        bad = len(self.suspicious)
        if not self.rows:
            yield f"{said.rstrip(',')}, and no training row is known to have pushed it there."
        elif self.stands_out is False:
            yield f"{said.rstrip(',')}; nothing stands out: no row is told from chance."
        elif bad:
            which = f"{bad} of them look{'s' * (bad == 1)}" if self.rows > 1 else "it looks"
            yield f"{said} because of {rows}; {which} mislabelled."
        else:
            yield f"{said} because of {rows}."
            if not self.label_doubtful:
                which = "it does not look" if self.rows == 1 else "none of them looks"
                yield f"Nothing stands out: {which} mislabelled."

    def _label(self, name: Callable[[str], str]) -> Iterator[str]:
        counts = dict(self.nearest)
        total = sum(counts.values())
        if self.label is None or not total:
            return
        if self.label_doubtful:
            yield (
                f"Its own label {name(self.label)} may be wrong: "
                f"{_share(counts.get(self.predicted, 0), total)} {name(self.predicted)}."
            )
        else:
            own = _share(counts.get(self.label, 0), total)
            yield f"{own[0].upper()}{own[1:]} {name(self.label)}, its label."


def verdict_of(
    session: Session, answer: Explanation, noise: NoiseCheck | None = None
) -> tuple[Verdict, Nearest, frozenset[int]]:
    """What an answer comes to, the rows around the item, and which of its own look mislabelled.

    Raises:
        StoreError: the run's table of rows is damaged.
    """
    item, names = answer.item, session.classes
    # Asked why not the label, what pulled away from it pushed the model to where it went.
    table = answer.helpful if answer.label == item.predicted else answer.harmful
    bad = suspects(session, [*_keys(answer.helpful), *_keys(answer.harmful)])
    own = -1
    if item.split == "train" and item.key is not None:
        own = session.project.dataset.train.position(item.key)
    asked = [item.predicted, *([] if item.true is None else [item.true])]
    (near,) = nearest_rows(session, item.features[None], [own], [list(dict.fromkeys(asked))])
    found = Verdict(
        predicted=names[item.predicted],
        label=None if item.true is None else names[item.true],
        toward=names[answer.label],
        rows=len(table),
        suspicious=tuple(k for k in _keys(table) if k in bad),
        nearest=tuple((names[c] if c >= 0 else "", count) for c, count in near.counts),
        label_doubtful=doubtful(near, item.true, item.predicted, float(item.proba.max())),
        stands_out=None if noise is None else bool(noise.beyond.intersection(_keys(table))),
    )
    return found, near, bad


def doubted_labels(session: Session, split: str, items: pd.DataFrame) -> frozenset[int]:
    """Keys of those of a split's items (rows of `predictions`) whose own label may be wrong."""
    data = session.project.dataset.split(split)
    at = data.positions_of(items["key"].to_numpy())
    if not len(at):
        return frozenset()
    x = session.split_features(split).rows(torch.from_numpy(at))
    own = at.tolist() if split == "train" else [-1] * len(at)
    around = nearest_rows(session, x, own, [[]] * len(at))
    names = ("key", "label_number", "predicted_number", "confidence")
    columns = (items[name].tolist() for name in names)
    return frozenset(
        int(key)
        for near, key, label, predicted, sure in zip(around, *columns, strict=True)
        if doubtful(near, label if label >= 0 else None, predicted, sure)
    )


def _keys(table: pd.DataFrame) -> Sequence[int]:
    return [int(key) for key in table["key"]]


def _share(count: int, total: int) -> str:
    """9 of its 10 nearest rows are."""
    if total == 1:
        return f"its nearest row is{' not' * (not count)}"
    whole = {0: f"none of its {total}", total: f"all of its {total}"}
    which = whole.get(count, f"{count} of its {total}")
    return f"{which} nearest rows {'is' if count in (0, 1) else 'are'}"
