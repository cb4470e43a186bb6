"""The verb `audit`: what the isolation audit of a run found.

Every training keeps its audit with the run. For a run of an older version that has none it is
made now, from the stored weights, and kept.
"""

from dataclasses import dataclass

import pandas as pd

from influence_core.errors import StoreError
from influence_core.influence.base import need_head
from influence_core.store.project import Project
from influence_core.store.runs import Run
from influence_core.workflow.session import open_session
from influence_core.workflow.train.audit import TABLE, audit_head


@dataclass(frozen=True)
class AuditReport:
    """An audit for people.

    Attributes:
        run: its id.
        isolated: share in [0, 1] of the read trainable entries that the row never touched.
        headline: one sentence.
        table: one line a parameter: name, size, trainable, read, shared, spill, note, isolated.
    """

    run: str
    isolated: float
    headline: str
    table: pd.DataFrame


def audit_report(project: Project, run_id: str | None = None) -> AuditReport:
    """The audit of a run, the newest one unless told otherwise.

    Raises:
        StoreError: there is no run, or its files are damaged. MismatchError: it is of other data.
    """
    run = project.latest_run() if run_id is None else project.run(run_id)
    if run is None:
        raise StoreError(
            f"Project '{project.name}' has no trained run of this data yet; "
            f"train one with: turnover train {project.root}"
        )
    kept = run.record.isolation
    if run.has_table(TABLE) and kept is not None and kept.isolated is not None:
        return AuditReport(run.id, kept.isolated, kept.headline, run.table(TABLE))
    return _made(project, run)


def _made(project: Project, run: Run) -> AuditReport:
    session = open_session(project, run.id, "cpu")
    evidence = session.evidence
    head = need_head(evidence, "audit")
    found = audit_head(head, session.features, evidence.labels, evidence.keys)
    table = pd.DataFrame(found.table)
    if not run.has_table(TABLE):
        run.add_table(TABLE, table)
    return AuditReport(run.id, found.isolated, found.headline, table)
