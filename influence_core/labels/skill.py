"""How far the side that flags labels can be believed, and how many labels it may flag.

The flipped side predicts every row unseen. Where it does no better than guessing it says nothing
about labels; about the only row of a class it cannot be right, because it has seen no other. And
where it is right about 66 rows of 100, most of its objections are its own mistakes: so as many rows
are flagged as labels are probably wrong, not as many as it objects to.

How many are probably wrong, before anybody has decided: where the flipped side is surest it hardly
errs by itself, so the share of objections among the surest fifth of the rows, taken as the share
everywhere, estimates the wrong labels. Tried against known wrong labels (two samples, four runs of
made-up classes of every difficulty): 440 for 250, 365 and 470 for 200, 170 and 180 for 167; the
objections alone are 1,522, 1,323, 562, 245 and 186. Once people have decided, `labels.advice` knows
better and takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Mask = npt.NDArray[np.bool_]
CLEAR = 2.5  # standard errors: one run in a hundred by chance
SUREST = 0.2  # share of the rows whose objections are believed
GOOD = 0.9  # accuracy below which many flags are the model's own mistakes
NAMED = 3


@dataclass(frozen=True)
class Skill:
    """What the flipped side can tell.

    Attributes:
        accuracy: share of the labelled rows whose label it predicts.
        recall: the same with every class weighing the same, and its standard `error`.
        classes: with two rows or more; the others do not count in `recall`.
        alone: numbers of the classes with a single row.
        wrong: labels that are probably wrong, one standard error added; 0 if nothing was learned.
    """

    accuracy: float
    recall: float
    error: float
    classes: int
    alone: tuple[int, ...]
    wrong: int

    @property
    def learned(self) -> bool:
        """Whether it does clearly better than guessing."""
        return self.classes > 1 and self.recall > 1 / self.classes + CLEAR * self.error

    def sentences(self, names: Sequence[str]) -> list[str]:
        """What to say beside flags; `names` are the class names, in label order."""
        if not self.learned:
            return [f"{self.about_the_model('so no label is flagged and none is suggested')}."]
        tail = ": expect many flags to be its own mistakes." if self.accuracy < GOOD else "."
        right = f"{100 * self.accuracy:.0f} %"
        said = f"The model that flags is {right} accurate on rows it has not seen{tail}"
        if not self.alone:
            return [said]
        listed = ", ".join(repr(names[n]) for n in self.alone[:NAMED])
        more = len(self.alone) - NAMED
        listed += f" and {more:,} more" if more > 0 else ""
        which = f"Class {listed} has" if len(self.alone) == 1 else f"Classes {listed} have"
        return [
            said,
            f"{which} a single training row: the model has seen no other, so nothing is suggested "
            "about it.",
        ]

    def about_the_model(self, therefore: str) -> str:
        """Why a run that learned nothing cannot be asked; ends without a full stop."""
        if self.classes < 2:
            return f"Fewer than two classes have more than one training row, {therefore}"
        return (
            f"The model gets {self.recall:.0%} of the rows that it has not seen right, every class "
            f"weighing the same, and guessing gets {1 / self.classes:.0%}: it has learned nothing "
            f"that could tell, {therefore}"
        )


def skill_of(scores: pd.DataFrame) -> Skill:
    """From `label_scores`: given, suggested (what the flipped side predicts) and p_suggested."""
    known = scores["given"].to_numpy() >= 0
    given, predicted, sure = (
        scores[name].to_numpy()[known] for name in ("given", "suggested", "p_suggested")
    )
    hits = predicted == given
    counts = np.bincount(given.astype(np.int64))
    recall, error, classes = balanced(given, hits)
    skill = Skill(
        accuracy=float(hits.mean()) if len(hits) else 0.0,
        recall=recall,
        error=error,
        classes=classes,
        alone=tuple(np.flatnonzero(counts == 1).tolist()),
        wrong=0,
    )
    if not skill.learned:
        return skill
    believed = counts[given] > 1
    share = _share(~hits[believed], sure[believed])
    return Skill(**{**vars(skill), "wrong": int(np.ceil(share * believed.sum()))})


def balanced(
    labels: npt.NDArray[np.integer], hits: npt.NDArray[np.bool_]
) -> tuple[float, float, int]:
    """Mean over classes of the share of hits, its standard error, and how many classes count.

    A class counts with two rows or more: about a single one nobody could be right unseen.

    Args:
        labels: (N,), none of them -1. hits: (N,).
    """
    counts = np.bincount(labels)  # (C,)
    right = np.bincount(labels, weights=hits, minlength=len(counts))[counts > 1]
    counts = counts[counts > 1]
    if not len(counts):
        return 0.0, 0.0, 0
    shares = right / counts
    # A class that was never or always right has a spread too: that of one hit among its rows.
    spread = np.maximum(shares * (1 - shares), 1 / (counts + 1)) / counts
    return float(shares.mean()), float(np.sqrt(spread.sum()) / len(counts)), len(counts)


def only_known(scores: pd.DataFrame, skill: Skill) -> pd.DataFrame:
    """The same without suggestions where the model cannot know: the given label stands there."""
    given = scores["given"].to_numpy()
    silent = np.isin(given, skill.alone) if skill.learned else np.ones(len(scores), bool)
    return scores.assign(
        suggested=np.where(silent, given, scores["suggested"]),
        p_suggested=np.where(silent, scores["p_given"], scores["p_suggested"]),
    )


def flagged(scores: pd.DataFrame, wrong: int, among: Mask | None = None) -> Mask:
    """The `wrong` most suspicious rows whose given label is not the suggested one, (N,).

    Args:
        scores: with ranks, after `only_known`.
        wrong: how many at most.
        among: rows that may be flagged; all of them if None.
    """
    given, suggested = scores["given"].to_numpy(), scores["suggested"].to_numpy()
    may = (given >= 0) & (given != suggested)
    if among is not None:
        may &= among
    rows = np.flatnonzero(may)
    first = rows[np.argsort(scores["suspicion_rank"].to_numpy()[rows], kind="stable")][:wrong]
    out = np.zeros(len(scores), dtype=bool)
    out[first] = True
    return out


def _share(objects: Mask, sure: npt.NDArray[np.floating]) -> float:
    """Share of objections among the surest rows, and one standard error on top.

    By the rule of succession, so that few rows without an objection do not mean that there is none.
    """
    count = max(1, round(SUREST * len(sure)))
    surest = np.argsort(-sure, kind="stable")[:count]
    share = (int(objects[surest].sum()) + 1) / (count + 2)
    return float(share + np.sqrt(share * (1 - share) / (count + 3)))
