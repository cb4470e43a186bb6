import numpy as np
import pytest
import torch
from tiny import project

from influence_core.errors import ModelError
from influence_core.influence.base import Scores
from influence_core.influence.scan import CHUNK, scan
from influence_core.store.project import Project
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.cluster.scan import ScanTask
from influence_core.workflow.cluster.shards import ShardQuery, joined, moved, shards
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


class Table:
    """A query whose answers are a known table (T, N) with many ties."""

    def __init__(self, rows, targets=3):
        rng = np.random.default_rng(0)
        self.all = torch.from_numpy(rng.integers(-9, 10, (targets, rows)).astype(np.float32))

    def scores(self, rows):
        return Scores(self.all[:, rows], self.all[:, rows].abs() / 8)


@pytest.mark.parametrize("order", [1, -1])
def test_joined_shards_equal_one_scan_with_ties_in_any_order(order):
    rows, k = 5 * CHUNK + 17, 40
    query = Table(rows)
    whole = scan(query, rows, k=k)
    parts = []
    for part in shards(rows, CHUNK)[::order]:
        one = scan(ShardQuery(query, part.start), part.stop - part.start, k=k)
        parts.append(moved(one, part.start))
    out = joined(parts, k, rows, 1.0)
    assert not out.provisional
    for mine, theirs in zip(
        (*out.helpful, *out.harmful), (*whole.helpful, *whole.harmful), strict=True
    ):
        assert mine.positions.tolist() == theirs.positions.tolist()
        assert mine.scores.tolist() == theirs.scores.tolist()
        assert mine.stderr.tolist() == theirs.stderr.tolist()
    assert joined(parts[:2], k, rows, 1.0).provisional


@pytest.mark.parametrize(("rows", "size"), [(1, 5), (CHUNK, CHUNK), (100_000, 30_000)])
def test_shards_cover_every_row_once(rows, size):
    covered = [i for part in shards(rows, size) for i in (part.start, part.stop)]
    assert covered[0] == 0
    assert covered[-1] == rows
    assert covered[1:-1:2] == covered[2:-1:2]


@pytest.mark.parametrize("name", ["replay", "together"])
def test_what_goes_through_the_training_is_refused_with_advice(tmp_path, name):
    """Before any worker is asked."""
    made = project(tmp_path / "tiny", n=30)
    train(made, TrainOptions(members=2, width=16, epochs=1))
    session = open_session(Project.open(made.root))
    x = session.split_features("test").rows(torch.arange(1))
    nowhere = Cluster.__new__(Cluster)
    with pytest.raises(ModelError, match=f"'{name}' goes through the training on one machine; le"):
        ScanTask.of(nowhere, session, name, session.targets(x, torch.tensor([0])))
