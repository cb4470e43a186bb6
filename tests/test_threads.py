import os
import sys
import threading

import pytest
import torch

from influence_core import threads as module
from influence_core.threads import _helpers, in_threads


@pytest.mark.parametrize("threads", [1, 2])
def test_every_item_is_done_once(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        done = []
        in_threads(done.append, range(100))
    finally:
        torch.set_num_threads(before)
    assert sorted(done) == list(range(100))


def test_an_error_of_one_item_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda x: 1 / x, [2, 1, 0])


def test_a_thread_that_is_busy_elsewhere_is_not_waited_for():
    before, over = torch.get_num_threads(), threading.Event()
    torch.set_num_threads(2)
    busy = _helpers(os.getpid(), 1).pool.submit(over.wait, 60)
    try:
        done = []
        in_threads(done.append, range(10))
        assert done == list(range(10))
        assert not busy.done()
    finally:
        over.set()
        torch.set_num_threads(before)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are placed on Linux only")
def test_helpers_keep_off_the_core_of_the_caller(monkeypatch):
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core only")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    pool = _helpers(os.getpid(), 1).pool
    pool.submit(int).result()  # so that there is a thread
    try:
        for core in sorted(cores):
            monkeypatch.setattr(module, "_own_core", lambda core=core: core)
            in_threads(str, range(2))
            assert pool.submit(os.sched_getaffinity, 0).result() == cores - {core}
    finally:
        torch.set_num_threads(before)
    assert os.sched_getaffinity(0) == cores


def test_two_callers_at_once_get_all_their_work_done():
    sums = [[], []]
    callers = [threading.Thread(target=in_threads, args=(mine.append, range(500))) for mine in sums]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [sorted(mine) for mine in sums] == [list(range(500))] * 2
