import threading

import numpy as np
import pytest
import torch

from influence_core.errors import CancelledError, ResourceError, StoreError
from influence_core.influence.base import Scores
from influence_core.influence.scan import (
    CHUNK,
    FIRST_CHUNK,
    TARGETS_AT_A_TIME,
    full_scores,
    mean_influence,
    mean_over,
    pooled,
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


class Long(Table):
    """A query with a pass of its own before the first chunk."""

    def run(self, progress, cancel):
        assert not self.asked
        self.told = (progress, cancel)


class Tight(Table):
    """A query whose memory holds no more than some rows of scores."""

    room = 300

    def scores(self, rows):
        if rows.stop - rows.start > self.room:
            raise MemoryError
        return super().scores(rows)


class Prepared:
    """A run that answers with a part of a known table: targets are lines of it."""

    def query(self, targets):
        return Table(targets)


def test_all_scores_can_be_kept_whatever_is_listed():
    table, kept = random_table(), np.full((3, 5_000), np.nan, np.float32)
    out = scan(Table(table), 5_000, k=2, candidates=torch.tensor([4]), chunk=900, keep=kept)
    assert np.array_equal(kept, table)
    assert (out.scored, out.total, out.extent) == (1, 1, "1 of 1")
    assert out.milliseconds > 0


def test_a_ranking_in_one_chunk_has_no_partial_one():
    seen = []
    scan(Table(random_table()), 5_000, k=3, chunk=5_000, on_partial=seen.append)
    assert seen == []


def test_nothing_is_listed_where_there_are_no_rows():
    out = scan(Table(np.zeros((2, 0))), 0, k=3)
    assert (out.helpful, out.harmful, out.total, out.provisional) == ((), (), 0, False)


@pytest.mark.parametrize("ask", ["scan", "mean", "file"])
def test_a_pass_before_the_first_chunk_hears_of_progress_and_of_cancelling(ask, tmp_path):
    query, seen, cancel = Long(random_table()), [], threading.Event()
    more = {"progress": seen.append, "cancel": cancel, "chunk": 2_000}
    if ask == "scan":
        scan(query, 5_000, k=1, **more)
    elif ask == "mean":
        mean_influence(query, 5_000, **more)
    else:
        full_scores(query, 5_000, tmp_path / "scores.npy", **more)
    assert query.told == (more["progress"], cancel)
    told = [(step.stage, step.done, step.total) for step in seen]
    ends = (2_000, 4_000, 5_000)
    assert told == ([] if ask == "scan" else [("scan", end, 5_000) for end in ends])


def test_a_chunk_that_memory_does_not_hold_is_halved_until_it_does():
    query = Tight(random_table())
    out = scan(query, 5_000, k=9)
    assert out.helpful[0].positions.tolist() == expected(query.all[0].numpy(), 9, np.ones(5_000))
    lengths = [part.stop - part.start for part in query.asked]
    assert (lengths[0], max(lengths)) == (FIRST_CHUNK // 8, FIRST_CHUNK // 8)
    assert sum(lengths) == 5_000
    query.room = 0
    with pytest.raises(ResourceError, match="lower the number of items"):
        scan(query, 5_000, k=9)


def test_chunks_are_as_long_as_the_number_of_targets_admits():
    assert [rows_at_a_time(n) for n in (0, 1, 128, 256, 10**5)] == [
        CHUNK, CHUNK, CHUNK, 8_192, 256,
    ]  # fmt: skip
    assert rows_at_a_time(1_000, 2_000_000) == 2_000
    query = Table(np.zeros((1_024, 20_000)))
    mean_influence(query, 20_000)  # no sorting, so it takes four times as many
    assert [part.stop - part.start for part in query.asked] == [FIRST_CHUNK, 8_192, 8_192, 1_568]


def test_many_targets_are_pooled_to_the_mean_and_the_error_of_all():
    table = random_table(2 * TARGETS_AT_A_TIME + 1, 4)  # the last part is of one target
    parts = []

    def measure(part):
        parts.append(len(part))
        error = part.std(0, ddof=1) / len(part) ** 0.5 if len(part) > 1 else np.full(4, np.nan)
        return part.mean(0), error

    for found in (pooled(measure, table, 4), mean_over(Prepared(), table, 4)):
        assert np.allclose(found.mean, table.mean(0), atol=1e-5)
        assert np.allclose(found.stderr, table.std(0, ddof=1) / len(table) ** 0.5, atol=1e-5)
        assert found.mean.dtype == found.stderr.dtype == np.float32
    assert parts == [TARGETS_AT_A_TIME, TARGETS_AT_A_TIME, 1]
    assert np.isnan(pooled(measure, table[:1], 4).stderr).all()
    two = pooled(measure, table[:2], 4)
    assert np.allclose(two.stderr, table[:2].std(0, ddof=1) / 2**0.5, atol=1e-5)


def test_a_mean_over_targets_hears_of_progress_and_of_cancelling():
    seen, cancel = [], threading.Event()
    cancel.set()
    mean_over(Prepared(), random_table(2, 30), 30, progress=seen.append)
    assert [(step.done, step.total) for step in seen] == [(30, 30)]
    with pytest.raises(CancelledError):
        mean_over(Prepared(), random_table(2, 30), 30, cancel=cancel)
