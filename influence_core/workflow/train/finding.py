"""What a trained run must be doubted for, in one sentence: it learned nothing, or by heart only.

Every class weighs the same here, so that guessing has the same expected share of hits however
uneven the classes are. `head` and `publish` write it into the record; pages show it.
"""

import numpy as np
import numpy.typing as npt

from influence_core.labels.skill import CLEAR, balanced


def sides_finding(
    labels: npt.NDArray[np.integer],
    learned: npt.NDArray[np.floating],
    flipped: npt.NDArray[np.floating],
) -> str:
    """A sentence if the flipped side does no better than guessing, or clearly worse; else "".

    Args:
        labels: (N,) of the training rows. learned, flipped: (N, C) probabilities of both sides.
    """
    outside, error, classes = _recall(labels, flipped)
    inside = _recall(labels, learned)[0]
    if classes < 2:
        return ""
    chance = 1 / classes
    right = f"{outside:.0%} of the training rows right, every class weighing the same"
    if outside < chance - CLEAR * error and outside < 0.8 * chance:
        if inside < chance:
            return (
                f"Both sides get fewer rows right ({inside:.0%} and {outside:.0%}) than guessing "
                f"({chance:.0%}): the network was trained with the classes in another order than "
                "the project's, so give its labels that order and train again."
            )
        return (
            f"The flipped side gets {right}, far fewer than guessing ({chance:.0%}), and the "
            f"learned side {inside:.0%}: the network knows its rows by their masks, so the scores "
            "of this run say little. Train for fewer epochs, or freeze more of it."
        )
    if outside <= chance + CLEAR * error:
        return (
            f"The flipped side gets {right}, which cannot be told from guessing ({chance:.0%}): "
            "this run has learned nothing yet that scores could be about. Train longer, with "
            "another learning rate, or with more rows."
        )
    return ""


def _recall(
    labels: npt.NDArray[np.integer], proba: npt.NDArray[np.floating]
) -> tuple[float, float, int]:
    known = labels >= 0
    return balanced(labels[known], (proba.argmax(1) == labels)[known])
