"""The label table of a run: computed once, then read from the run's folder."""

import threading

import numpy as np
import pandas as pd

from influence_core.labels.neighbours import nearest, neighbour_agreement
from influence_core.labels.scores import DEFAULT_RANKING, RANKINGS, label_scores, with_ranking
from influence_core.labels.skill import Skill, flagged, only_known, skill_of
from influence_core.progress import ProgressFn
from influence_core.store.runs import Run
from influence_core.workflow.session import Session

TABLE = "labels"
PLANTED = "eval-planted"


def label_table(
    session: Session,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Label quality of every training row; `labels.scores.COLUMNS` says what each column means.

    The order of the queue follows the project's evaluation: the column that ranked planted wrong
    labels best, the flipped side's probability of the label if none was measured.

    Raises:
        StoreError: a table of the run is damaged, or the new one cannot be written.
    """
    if not session.run.has_table(TABLE):
        _compute(session, progress, cancel)
    return believed(session.run.table(TABLE), best_ranking(session))


def believed(stored: pd.DataFrame, ranking: str = DEFAULT_RANKING) -> pd.DataFrame:
    """A stored table with its queue, and flags and suggestions only as far as the model knows."""
    skill = skill_of(stored)
    ranked = with_ranking(only_known(stored, skill), ranking)
    return ranked.drop(columns="flagged", errors="ignore").assign(
        flagged=flagged(ranked, skill.wrong)
    )


def label_skill(session: Session) -> Skill:
    """How far the flags of a run can be believed."""
    return skill_of(_named(session.run))


def doubt_of(session: Session) -> str:
    """Why the influence of rows says little, where the run has learned nothing; else ""."""
    skill = label_skill(session)
    if skill.learned:
        return ""
    return f"{skill.about_the_model('so what helped and what harmed an item says little')}."


def flagged_keys(run: Run) -> frozenset[int]:
    """Keys of the rows that a run flags before anybody has decided, without a label table."""
    return frozenset(map(int, flagged_rows(run)["key"]))


def flagged_rows(run: Run) -> pd.DataFrame:
    """What a run knows of them: `labels.scores` columns, but no neighbours."""
    table = believed(_named(run))
    return table[table["flagged"]]


def _named(run: Run) -> pd.DataFrame:
    """What a run keeps about its rows, in the names of the label table."""
    return run.table("rows").rename(
        columns={
            "label": "given",
            "flipped_label": "p_given",
            "flipped_predicted": "suggested",
            "flipped_confidence": "p_suggested",
        }
    )


def best_ranking(session: Session) -> str:
    """The label-quality column that this project's own planted-noise test ranks best."""
    if not session.run.has_table(PLANTED):
        return DEFAULT_RANKING
    table = session.run.table(PLANTED)
    known = table[table["column"].isin(RANKINGS)]
    if known.empty:
        return DEFAULT_RANKING
    return str(known.sort_values("average_precision", ascending=False)["column"].iloc[0])


def _compute(session: Session, progress: ProgressFn | None, cancel: threading.Event | None) -> None:
    train = session.project.dataset.train
    labels = np.array(train.labels)
    found, _ = nearest(session.features, len(train), progress=progress, cancel=cancel)
    flipped = session.evidence.flipped.float().cpu().numpy()
    table = label_scores(session.run.table("rows"), flipped, neighbour_agreement(labels, found))
    session.run.add_table(TABLE, table)
