"""The verb `evaluate`: how far can the scores be believed on this very data?

Stages, each optional: `lds` (what *a model trained like this one* would do: estimators against
retrainings on random halves, with the noise ceiling), `same` (what *this model* would do: retrained
from its own start without some rows; after both the best estimator is named, which the project uses
once somebody says so), `removal` (take the most
helpful rows away, and the query loss difference), `loo` (leave one out), `planted` (flip labels and
find them), `null` (fresh keys through the significance test) and `isolation` (the audit). Tables
are stored with the run, what follows from them with the project (`store.evaluations`). Both are
written after each stage, and finished retrainings are kept beside the run, so an evaluation that
was stopped or killed goes on where it was. A whole network is not retrained: a head on its features
is (`stand_in`).
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from influence_core.evaluation.loo import leave_one_out
from influence_core.evaluation.null_control import null_control
from influence_core.evaluation.planted import planted_noise
from influence_core.influence import DEFAULT_ESTIMATOR, ESTIMATORS
from influence_core.influence.base import need_head
from influence_core.progress import ProgressFn, check_cancel
from influence_core.store.evaluations import (
    CheckResult,
    EvaluationRecord,
    read_evaluation,
    write_evaluation,
)
from influence_core.workflow.evaluate.lds import measure_lds
from influence_core.workflow.evaluate.removal import measure_removal
from influence_core.workflow.evaluate.same import measure_same
from influence_core.workflow.evaluate.stop import finished_stages, forget_stop, note_finished
from influence_core.workflow.evaluate.work import (
    STAGES,
    EvaluateOptions,
    Work,
    choose_targets,
    some_targets,
)
from influence_core.workflow.session import Session
from influence_core.workflow.train.audit import audit_head

__all__ = ["STAGES", "EvaluateOptions", "EvaluationReport", "evaluate"]

LOO_ROWS = 10
LOO_TARGETS = 3


@dataclass(frozen=True)
class EvaluationReport:
    """What was measured: tables by stage (as stored with the run), and the project's record."""

    record: EvaluationRecord
    tables: Mapping[str, pd.DataFrame]


def evaluate(
    session: Session,
    options: EvaluateOptions | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> EvaluationReport:
    """Measure, store the tables with the run and the conclusions with the project.

    Stages that are not run keep what an earlier evaluation of the same run found.

    Raises:
        DataError: no split has labelled items besides the training rows.
        CancelledError: `cancel` was set; finished retrainings are kept for the next time.
    """
    options = options or EvaluateOptions()
    targets, wrong, keys = choose_targets(session, options)
    work = Work(session, options, targets, wrong, keys, progress, cancel)
    before = read_evaluation(session.project.root)
    if before is not None and before.run == session.run.id:
        work.estimator, work.reason = before.estimator, before.reason
        work.settings, work.figures = dict(before.settings), dict(before.figures)
        work.checks = dict(before.checks)
    done = finished_stages(work)
    for stage in STAGES:
        if stage in options.what and stage not in done:
            check_cancel(cancel)
            _STAGES[stage](work)
            _keep(work)
            done.append(stage)
            note_finished(work, done)
    record = _keep(work)
    forget_stop(work)
    return EvaluationReport(record, work.tables)


def _keep(work: Work) -> EvaluationRecord:
    """Write what has been found so far: tables with the run, conclusions with the project."""
    session = work.session
    for name, table in work.tables.items():
        session.run.add_table(f"eval-{name}", table)
    record = EvaluationRecord(
        run=session.run.id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        estimator=work.estimator,
        reason=work.reason,
        settings=work.settings,
        figures=work.figures,
        checks=work.checks,
    )
    write_evaluation(session.project.root, record)
    return record


def _loo(work: Work) -> None:
    """The top helpful and harmful rows of a few targets, by the default estimator."""
    some = some_targets(work, LOO_TARGETS)
    name = work.estimator or DEFAULT_ESTIMATOR
    n = len(work.session.evidence)
    prepared = ESTIMATORS[name].prepare(work.session.evidence, work.settings.get(name, {}))
    scores = prepared.query(some).scores(slice(0, n)).scores.cpu().numpy()
    order = scores.argsort(axis=1, kind="stable")
    ends = np.concatenate([order[:, : LOO_ROWS // 2], order[:, -(LOO_ROWS // 2) :]], axis=1)
    positions = np.unique(ends)
    found = leave_one_out(
        work.recipe(0, None),
        some,
        positions,
        parts=work.kept("loo"),
        progress=work.tell("loo"),
        cancel=work.cancel,
    )
    column = {int(p): i for i, p in enumerate(positions)}
    train = work.session.project.dataset.train
    work.tables["loo"] = pd.DataFrame(
        {
            "target": work.keys[t],
            "key": train.keys[p],
            "estimator": name,
            "score": scores[t, p],
            "measured": found.influence[t, column[int(p)]],
            "stderr": found.stderr[t, column[int(p)]],
        }
        for t in range(len(some))
        for p in ends[t]
    )


def _planted(work: Work) -> None:
    r = work.recipe(3, None)
    found = planted_noise(
        r.rows,
        r.config,
        replace(r.training, epochs=None),
        share=work.options.planted,
        seed=work.options.seed,
        progress=work.tell("planted"),
        cancel=work.cancel,
    )
    work.tables["planted"] = pd.DataFrame(
        {"column": name, "average_precision": q.average_precision, "auc": q.auc}
        for name, q in found.items()
    )


def _null(work: Work) -> None:
    if work.session.evidence.head is None:  # the turn-over estimator scores a head's masks only
        work.checks.pop("null", None)
        return
    found = null_control(work.session.evidence, work.targets)
    work.figures |= {"null_false_alarms": found.false_alarms, "null_signal": found.signal}
    work.figures["null_calls"] = found.calls
    work.checks["null"] = CheckResult(
        found.passed,
        f"For {100 * found.false_alarms:.0f} % of {found.targets} items a key that was never "
        f"trained on was called a clear row; {100 * found.allowed:.0f} % are allowed.",
    )


def _isolation(work: Work) -> None:
    """The stored audit of the run, or one of its head on a few of its own rows."""
    stored = work.session.run.record.isolation
    if stored is not None and stored.isolated is not None:
        share = stored.isolated
    else:
        evidence, features = work.session.evidence, work.session.features
        head = need_head(evidence, "isolation")
        share = audit_head(head, features, evidence.labels, evidence.keys).isolated
    work.figures["isolated"] = share
    work.checks["isolation"] = CheckResult(
        share >= 1.0,
        # Rounded down, so that a leak never reads as 100 %.
        f"{math.floor(1000 * share) / 10:g} % of what a row's flipped side reads was never taught "
        "by the row.",
    )


_STAGES = {
    "lds": measure_lds,
    "same": measure_same,
    "removal": measure_removal,
    "loo": _loo,
    "planted": _planted,
    "null": _null,
    "isolation": _isolation,
}
