import threading

import numpy as np
import pytest
import torch

from influence_core.errors import CancelledError, StoreError
from influence_core.influence.base import Scores
from influence_core.influence.scan import (
    CHUNK,
    full_scores,
    mean_influence,
    rows_at_a_time,
    scan,
)


class Table:
    """A query whose answers are a known table (T, N)."""

    def __init__(self, scores, stderr=None):
        self.all, self.errors = torch.as_tensor(scores, dtype=torch.float32), stderr
        self.asked = []

    def scores(self, rows):
        self.asked.append(rows)
        return Scores(self.all[:, rows], None if self.errors is None else self.errors[:, rows])


def random_table(targets=3, rows=5_000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-40, 41, (targets, rows)).astype(np.float32) / 8


def expected(row, k, allowed):
    order = sorted(np.flatnonzero(allowed), key=lambda i: (-row[i], i))
    return [i for i in order if row[i] > 0][:k]


@pytest.mark.parametrize("chunk", [None, 7, 5_000])
def test_ranking_equals_sorting_the_whole_table(chunk):
    table = random_table()
    out = scan(Table(table), 5_000, k=9, chunk=chunk)
    everyone = np.ones(5_000, dtype=bool)
    for t in range(3):
        assert out.helpful[t].positions.tolist() == expected(table[t], 9, everyone)
        assert out.harmful[t].positions.tolist() == expected(-table[t], 9, everyone)
        assert out.helpful[t].scores.tolist() == table[t][out.helpful[t].positions].tolist()
    assert (out.scored, out.total, out.provisional) == (5_000, 5_000, False)


def test_only_the_candidates_are_listed_and_never_the_excluded():
    table = random_table()
    allowed = np.zeros(5_000, dtype=bool)
    allowed[10:400:3] = True
    positions = torch.from_numpy(np.flatnonzero(allowed))
    by_position = scan(Table(table), 5_000, k=5, candidates=positions, exclude=[13], chunk=64)
    by_mask = scan(
        Table(table), 5_000, k=5, candidates=torch.from_numpy(allowed), exclude=[13], chunk=64
    )
    allowed[13] = False
    for out in (by_position, by_mask):
        assert out.total == out.scored == allowed.sum()
        for t in range(3):
            assert out.helpful[t].positions.tolist() == expected(table[t], 5, allowed)
            assert out.harmful[t].positions.tolist() == expected(-table[t], 5, allowed)


def test_a_side_without_rows_is_empty_rather_than_filled_with_the_other():
    out = scan(Table([[1.0, 2.0, 0.0]]), 3, k=5)
    assert out.helpful[0].positions.tolist() == [1, 0]
    assert out.harmful[0].positions.tolist() == []


def test_errors_stay_with_their_rows():
    table = random_table()
    out = scan(Table(table, torch.from_numpy(table * 10)), 5_000, k=4, chunk=1_000)
    assert out.harmful[1].stderr.tolist() == (out.harmful[1].scores * 10).tolist()
    without = scan(Table(table), 5_000, k=4)
    assert np.isnan(without.harmful[1].stderr).all()


def test_partial_rankings_are_those_of_the_rows_seen_so_far():
    table = random_table(1)
    seen = []
    scan(Table(table), 5_000, k=3, chunk=2_000, on_partial=seen.append)
    assert [part.extent for part in seen] == [
        "2,000 of 5,000, provisional",
        "4,000 of 5,000, provisional",
    ]
    for part in seen:
        first = np.arange(5_000) < part.scored
        assert part.helpful[0].positions.tolist() == expected(table[0], 3, first)


def test_cancel_from_a_partial_result_stops_before_the_next_chunk():
    cancel, query = threading.Event(), Table(random_table())
    with pytest.raises(CancelledError):
        scan(query, 5_000, k=3, chunk=100, on_partial=lambda _: cancel.set(), cancel=cancel)
    assert len(query.asked) == 1


def test_the_first_chunk_is_short_and_many_targets_make_chunks_shorter():
    query = Table(np.zeros((2, 40_000)))
    scan(query, 40_000, k=1)
    lengths = [part.stop - part.start for part in query.asked]
    assert lengths[0] < lengths[1] == CHUNK
    assert rows_at_a_time(1_000) * 1_000 <= 1 << 21
    assert rows_at_a_time(10**9) >= 256


def test_mean_influence_is_the_mean_over_targets_with_its_error():
    table = random_table(6)
    mean, error = mean_influence(Table(table), 5_000, chunk=700)
    assert np.allclose(mean, table.mean(0), atol=1e-6)
    assert np.allclose(error, table.std(0, ddof=1) / np.sqrt(6), atol=1e-6)
    assert np.isnan(mean_influence(Table(table[:1]), 5_000)[1]).all()


def test_full_scores_are_on_disk_whole_or_not_at_all(tmp_path):
    table = random_table()
    out = full_scores(Table(table), 5_000, tmp_path / "scores.npy", chunk=800)
    assert isinstance(out, np.memmap)
    assert np.array_equal(out, table)
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        full_scores(
            Table(table),
            5_000,
            tmp_path / "other.npy",
            chunk=800,
            progress=lambda _: cancel.set(),
            cancel=cancel,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["scores.npy"]


def test_full_scores_name_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"Cannot write .*scores\.npy: a file stands"):
        full_scores(Table(random_table()), 5_000, tmp_path / "file" / "scores.npy")
