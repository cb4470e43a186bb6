"""Every device gives the CPU's answers, and gives back what it was lent."""

import gc
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from devices import CARDS, DEVICES, REAL, allocated, device, filled
from tiny import project

from benchmarks.gpu import compare
from benchmarks.gpu_cases import ALL, TINY, Sizes, _made_up, _run
from influence_core.errors import CancelledError, ResourceError
from influence_core.influence import estimator
from influence_core.influence.base import Scores
from influence_core.influence.scan import mean_influence, scan
from influence_core.progress import Progress
from influence_core.store.project import Project
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

CPU = torch.device("cpu")
LARGE = Sizes(scanned=20_000, members=8)
QUICK = [name for name in ALL if name not in ("texts", "pictures", "network")]


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("case", QUICK)
def test_answers_are_those_of_the_cpu(name, case):
    work = ALL[case][0]
    with device(name) as (where, _):
        here = work(where, TINY)
        found = compare(here.run(), work(CPU, TINY).run(), here.kind)
    assert found.fine, found


@pytest.mark.slow
@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("case", ["texts", "pictures"])
def test_features_are_about_those_of_the_cpu(name, case):
    work = ALL[case][0]
    with device(name) as (where, _):
        found = compare(work(where, TINY).run(), work(CPU, TINY).run(), "half")
    assert found.fine, found


@pytest.fixture(params=["card", *[one for one in REAL if one.values == ("cuda",)]])
def filling(request):
    with device(request.param) as there:
        yield there


class _Recorded:
    """A query that remembers which chunks were answered, and which were not."""

    def __init__(self, query):
        self.query, self.done, self.refused = query, [], []

    def scores(self, part: slice) -> Scores:
        try:
            found = self.query.scores(part)
        except torch.OutOfMemoryError:
            self.refused.append(part.stop - part.start)
            raise
        self.done.append(part.stop - part.start)
        return found


def test_a_card_that_is_nearly_full_gets_smaller_chunks(filling):
    where, owner = filling
    query, rows = _made_up(where, LARGE, LARGE.scanned, 1)
    whole = mean_influence(query, rows)[0]
    seen = _Recorded(query)
    with filled(where, 48 << 20, owner):
        found = mean_influence(seen, rows)[0]
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-6)
    assert seen.refused
    assert sum(seen.done) == rows
    # Once a size was refused, no larger one is tried again.
    assert max(seen.done[seen.done.index(min(seen.done)) :]) < min(seen.refused)


def test_a_card_without_room_for_a_row_says_what_helps(filling):
    where, owner = filling
    query, rows = _made_up(where, replace(TINY, width=256), 50, 1)
    if owner is None:
        pytest.skip("a real card rounds so small an amount up")
    with filled(where, 0, owner), pytest.raises(ResourceError, match="choose another device"):
        scan(query, rows, k=3)


@pytest.fixture
def trained(tmp_path):
    """A project, and a function that trains it on a device."""
    made = project(tmp_path / "films", n=60)

    def run(where):
        train(made, TrainOptions(members=2, width=16, epochs=3, device=str(where)))
        return Project.open(made.root)

    return run


def answered(opened, name="flipped-ridge"):
    item = find_item(opened, "test", int(opened.project.dataset.split("test").keys[0]))
    return item, explain(opened, item, ExplainOptions(name, k=5))


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("way", ["there and back", "here and there"])
def test_a_run_of_one_device_answers_alike_on_another(trained, name, way):
    with device(name) as (where, _):
        first, second = (where, CPU) if way == "there and back" else (CPU, where)
        made = trained(first)
        one, other = (answered(open_session(made, device=str(d))) for d in (first, second))
    np.testing.assert_allclose(one[0].proba, other[0].proba, atol=1e-6)
    for side in ("helpful", "harmful"):
        a, b = getattr(one[1], side), getattr(other[1], side)
        np.testing.assert_allclose(a["influence"], b["influence"], rtol=1e-3)
        assert a["key"].tolist() == b["key"].tolist()


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("estimator", ["flipped-ridge", "turnover", "replay"])
def test_a_session_that_is_closed_leaves_nothing_on_the_device(trained, name, estimator):
    with device(name) as (where, _):
        made = trained(where)
        gc.collect()
        before = allocated(where)
        opened = open_session(made, device=str(where))
        answered(opened, estimator)
        assert allocated(where) > before
        del opened
        gc.collect()
        assert allocated(where) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cpu", *REAL])
def test_a_second_process_works_on_the_same_device(trained, name):
    made = trained(name)
    opened = open_session(made, device=name)
    item, mine = answered(opened)
    asked = [
        sys.executable, "-m", "influence_core.cli", "explain", str(made.root), "--device", name,
        "--item", f"{item.key:016x}", "--estimator", "flipped-ridge", "--top", "5", "--json",
    ]  # fmt: skip
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert [row["id"] for row in json.loads(told.stdout)["helpful"]] == mine.helpful["id"].tolist()


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("what", ["replay", "scan"])
def test_cancel_stops_before_the_next_step(name, what):
    cancel, told = threading.Event(), []

    def tell(event):
        told.append(event.done)
        if len(told) == 3:
            cancel.set()

    def so_far(ranking):
        tell(Progress("scan", ranking.scored, ranking.total))

    with device(name) as (where, owner):
        evidence, targets = _run(where, TINY)
        chosen = estimator("replay" if what == "replay" else "turnover")
        query = chosen.prepare(evidence).query(targets[:1])
        with pytest.raises(CancelledError):
            if what == "replay":
                scan(query, 96, k=3, progress=tell, cancel=cancel)
            else:
                scan(query, 96, k=3, chunk=8, on_partial=so_far, cancel=cancel)
        assert len(told) == 3
        if owner is None and where.type != "cpu":
            asked = time.perf_counter()
            (torch.cuda if where.type == "cuda" else torch.mps).synchronize()
            assert time.perf_counter() - asked < 0.3  # what was in the queue
