"""One table of label quality: what each training row's label looks like from every side.

The flipped side's probabilities are out-of-sample for every row from a single training run, so all
that usually needs K-fold training (cleanlab's decision among it) comes for free. Called by
`workflow.review.scores`, which stores the table with the run.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.errors import DataError

Floats = npt.NDArray[np.floating]

# Every column, what it says, and its source. The command line and the page show these sentences.
COLUMNS: dict[str, str] = {
    "key": "The row's 64-bit key.",
    "position": "The row's place in the training set, from 0.",
    "given": "Number of the label that the row has.",
    "suggested": "Number of the class that the flipped side predicts (mean over members); the "
    "given one where the model cannot know: at chance level, or the only row of a class.",
    "p_given": "Out-of-sample probability of the given label: by the side that never saw the row.",
    "p_suggested": "Out-of-sample probability of the suggested label.",
    "p_learned": "Probability of the given label by the side that was trained on the row.",
    "self_influence": "How much having seen the row lowered its own loss, in nats "
    "(Kobayashi et al. 2020).",
    "self_influence_stderr": "Standard error of it over members; NaN for a single member.",
    "aum": "Margin of the given label while training, mean over epochs, in-sample "
    "(Pleiss et al. 2020); a baseline.",
    "knn_agreement": "Share of the 10 nearest training rows in encoder features that have the same "
    "label.",
    "cleanlab_issue": "cleanlab's find_label_issues on the flipped-side probabilities "
    "(Northcutt et al. 2021).",
    "cleanlab_quality": "cleanlab's get_label_quality_scores (normalised margin); low is bad.",
    "suspicion": "What the queue is sorted by, high is suspicious.",
    "suspicion_rank": "Place in the queue, 0 is the most suspicious.",
    "flagged": "Another label is suggested, and the row is among the most suspicious: as many as "
    "labels are probably wrong.",
}

_ABOUT_THE_LABEL = [
    "p_given", "p_learned", "self_influence", "self_influence_stderr", "aum", "knn_agreement"
]  # fmt: skip


@dataclass(frozen=True)
class LabelRanking:
    """A column that can order the queue: its name in the table, and whether high is suspicious."""

    column: str
    high: bool


# By the names that the planted-noise test gives the columns (`evaluation.planted`).
RANKINGS: dict[str, LabelRanking] = {
    "flipped": LabelRanking("p_given", high=False),
    "self_influence": LabelRanking("self_influence", high=True),
    "aum": LabelRanking("aum", high=False),
    "learned": LabelRanking("p_learned", high=False),
}
DEFAULT_RANKING = "flipped"


def label_scores(rows: pd.DataFrame, flipped: Floats, agreement: Floats) -> pd.DataFrame:
    """All columns but the queue's order and its flags; see `with_ranking` and `labels.skill`.

    A row without a label (-1) has a suggestion and otherwise NaN.

    Args:
        rows: a run's table, one line a training row: key, label, flipped_label, learned_label,
            flipped_predicted, flipped_confidence, self_influence and its stderr, aum.
        flipped: (N, C) flipped-side probabilities.
        agreement: (N,) from `neighbour_agreement`.

    Raises:
        DataError: the arrays are not about the same rows.
    """
    n = len(rows)
    if len(flipped) != n or len(agreement) != n:
        raise DataError(
            f"There are {n} rows, probabilities of {len(flipped)} and neighbours of "
            f"{len(agreement)}; score the labels of one run."
        )
    given = rows["label"].to_numpy().astype(np.int64)
    suggested = rows["flipped_predicted"].to_numpy().astype(np.int64)
    issue, quality = cleanlab_columns(given, flipped)
    known = given >= 0
    table = pd.DataFrame(
        {
            "key": rows["key"],
            "position": np.arange(n),
            "given": given,
            "suggested": suggested,
            "p_given": rows["flipped_label"],
            "p_suggested": rows["flipped_confidence"],
            "p_learned": rows["learned_label"],
            "self_influence": rows["self_influence"],
            "self_influence_stderr": rows["self_influence_stderr"],
            "aum": rows["aum"],
            "knn_agreement": agreement.astype(np.float32),
            "cleanlab_issue": issue,
            "cleanlab_quality": quality,
        }
    )
    table.loc[~known, _ABOUT_THE_LABEL] = np.nan
    return table


def cleanlab_columns(
    given: npt.NDArray[np.int64], flipped: Floats
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """cleanlab's decision and quality score from out-of-sample probabilities (N, C).

    cleanlab wants every class to have rows and every row a label, so classes without any rows are
    left out for it, and rows without a label are no issue and have the quality NaN.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    known = given >= 0
    if not known.all():
        issue, quality = np.zeros(len(given), bool), np.full(len(given), np.nan, np.float32)
        if known.any():
            issue[known], quality[known] = cleanlab_columns(given[known], flipped[known])
        return issue, quality
    present, labels = np.unique(given, return_inverse=True)
    proba = flipped[:, present].astype(np.float64)
    total = proba.sum(1, keepdims=True)
    proba = np.divide(proba, total, out=np.full_like(proba, 1 / len(present)), where=total > 0)
    if len(present) < 2:
        return np.zeros(len(given), bool), np.ones(len(given), np.float32)
    issue = find_label_issues(labels, proba, n_jobs=1)
    quality = get_label_quality_scores(labels, proba, method="normalized_margin")
    return np.asarray(issue, bool), quality.astype(np.float32)


def with_ranking(scores: pd.DataFrame, ranking: str = DEFAULT_RANKING) -> pd.DataFrame:
    """The table with `suspicion` and `suspicion_rank`; ties keep the order of the data set.

    Args:
        scores: from `label_scores`.
        ranking: a name in `RANKINGS`; a column without values (a run without AUM) is passed over
            for the default.
    """
    chosen = RANKINGS.get(ranking, RANKINGS[DEFAULT_RANKING])
    if scores[chosen.column].isna().all():
        chosen = RANKINGS[DEFAULT_RANKING]
    values = scores[chosen.column].to_numpy().astype(np.float64)
    suspicion = values if chosen.high else -values
    order = np.argsort(-np.nan_to_num(suspicion, nan=-np.inf), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return scores.assign(suspicion=suspicion, suspicion_rank=rank)
