"""The isolation audit at the end of every training: measured, and kept with the run.

`turnover.audit` measures; this puts a head into the form it takes, and the result into the run:
`audit.parquet`, one line a parameter, and `isolation` in the record. Called by `train`, `networks`
and `audit_report`.
"""

from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from influence_core.influence.base import HeadWeights
from influence_core.store.runs import IsolationSummary, RunWriter
from influence_core.training.features import Standardised
from influence_core.turnover.audit.audit import Audit, audit
from influence_core.turnover.head import TurnoverHead

TABLE = "audit"
_ROWS = 8
# Members never meet, so of a very large head the first few stand for all: entries audited at most.
_ENTRIES = 1 << 24


def audit_head(head: HeadWeights, features: Standardised, labels: Tensor, keys: Tensor) -> Audit:
    """Audit a head on its first few rows.

    Args:
        features, labels, keys: of the training rows, (N, d), (N,), (N,); at least two.
    """
    members, d, width = head.W1.shape
    few = max(1, min(members, _ENTRIES // (d * width)))
    model = TurnoverHead(replace(head.config, members=few))
    parts = {name: getattr(head, name)[:few].cpu() for name in ("W1", "b1", "W2")}
    model.load_state_dict(parts)
    rows = torch.arange(min(_ROWS, len(labels)))
    batch = (features.rows(rows).cpu(), labels[rows].cpu())
    return audit(model, batch, keys=keys[rows].cpu())


def write_audit(writer: RunWriter, found: Audit) -> None:
    """Keep an audit with the run that is being written."""
    writer.write_table(TABLE, pd.DataFrame(found.table))
    writer.set(isolation=summary(found))


def summary(found: Audit) -> IsolationSummary:
    """What stands in `run.json`."""
    return IsolationSummary(found.headline, found.isolated, found.spill, found.instances)
