"""From a question to a kept cleansing: which rows would go, by scores, by reviewers, or by both."""

import threading
from dataclasses import asdict, dataclass

from influence_core.cleansing.choose import RULES, Rule, Selection, choose
from influence_core.cleansing.rounds import Schedule
from influence_core.disk.checkpoint import Parts
from influence_core.errors import DataError
from influence_core.influence import DEFAULT_ESTIMATOR
from influence_core.progress import ProgressFn
from influence_core.store.exports.edits import Edit
from influence_core.workflow.cleanse.cleansings import Cleansing, summaries
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.cleanse.export import edits_of, edits_of_round
from influence_core.workflow.cleanse.rounds import cleanse, ranking
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.review.scores import label_skill
from influence_core.workflow.session import Session
from influence_core.workflow.train.resume import unfinished

ROUNDS, DECISIONS = "rounds", "decisions"
# How rows are chosen, and what it means.
WAYS: dict[str, str] = {
    ROUNDS: "in rounds, retrained in between",
    **{by: f"one shot, by {by}" for by in RULES},
    DECISIONS: "only what reviewers decided",
}


@dataclass(frozen=True)
class CleanseOptions:
    """What harms whom, and how to choose.

    Attributes:
        target: whose loss counts.
        estimator: by name.
        by: a name in `WAYS`.
        drop: share of the rows to drop at most; a count for "count", a rate for "fdr".
        step: share a round drops.
        patience: rounds without improvement before it stops; 0 goes on.
        decisions: add what reviewers decided.
        also: more rules of one shot; what is chosen is the union of all.
    """

    target: TargetSplit
    estimator: str = DEFAULT_ESTIMATOR
    by: str = ROUNDS
    drop: float = 0.1
    step: float = 0.02
    patience: int = 2
    decisions: bool = False
    also: tuple[Rule, ...] = ()


def unfinished_rounds(session: Session, question: CleanseOptions) -> Parts:
    """Where finished rounds of a question lie until its answer is kept."""
    q = question
    asked = [asdict(q.target), q.estimator, q.by, q.drop, q.step, q.patience]
    return unfinished(session, ROUNDS, asked)


def find_harm(
    session: Session,
    question: CleanseOptions,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    cluster: Cluster | None = None,
    begun: Parts | None = None,
) -> Cleansing:
    """Answer a question; nothing is written, but finished rounds if a place is given.

    Args:
        session, question: what is asked.
        progress, cancel, cluster: as everywhere.
        begun: from `unfinished_rounds`, to go on with rounds that were ended; the caller discards
            them when the answer is kept.

    Raises:
        DataError: an unknown way, an amount or target split that makes no sense, a cluster for a
            way that does not scan the run as it is, or a run that learned nothing.
    """
    if question.by not in WAYS:
        raise DataError(f"There is no way '{question.by}' to choose rows; there are {list(WAYS)}.")
    if question.also and question.by in (ROUNDS, DECISIONS):
        raise DataError(
            f"More rules can be joined to one shot only, not to '{question.by}'; choose "
            f"{list(RULES)}."
        )
    if cluster is not None and question.by in (ROUNDS, DECISIONS):
        raise DataError(
            f"A cluster ranks rows in one shot, not '{question.by}'; choose {list(RULES)}, or "
            "leave --ray out."
        )
    by, target, name = question.by, question.target, question.estimator
    decided: tuple[Edit, ...] = ()
    kept: frozenset[int] = frozenset()
    if question.decisions or by == DECISIONS:
        decided, kept = decided_edits(session.project)
    run = session.run.id
    if by == DECISIONS:
        return Cleansing(target, name, by, (), decided, kept, run=run)
    _refuse_guesses(session)
    reason = f"harms {target.split}/{target.part} by {name}"
    if by == ROUNDS:
        plan = Schedule(min(question.step, question.drop), question.drop, question.patience)
        states = cleanse(
            session, target, plan, name, progress=progress, cancel=cancel, unfinished=begun
        )
        short, best = summaries(states)
        computed = tuple(edits_of_round(session, states[-1], reason))
        return Cleansing(target, name, by, computed, decided, kept, short, best, run)
    rules = [Rule(by, question.drop), *question.also]
    found = ranking(session, target, name, progress=progress, cancel=cancel, cluster=cluster)
    chosen = choose(rules, found.score, found.p_values())
    computed = tuple(edits_of(session, Selection(chosen), reason, found))
    by = " or ".join(dict.fromkeys(rule.by for rule in rules))
    return Cleansing(target, name, by, computed, decided, kept, run=run)


def _refuse_guesses(session: Session) -> None:
    """What a model that only guesses calls harmful is any row."""
    skill = label_skill(session)
    if not skill.learned:
        raise DataError(
            f"{skill.about_the_model('so no row can be said to harm another')}; train a run that "
            f"learns something, or choose '{DECISIONS}' to cleanse by what reviewers decided."
        )
