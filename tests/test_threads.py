import os
import threading

import pytest
import torch

from influence_core.threads import _helpers, in_threads, one_core_free


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
    busy = _helpers(os.getpid(), 1).submit(over.wait, 60)
    try:
        done = []
        in_threads(done.append, range(10))
        assert done == list(range(10))
        assert not busy.done()
    finally:
        over.set()
        torch.set_num_threads(before)


def test_two_callers_at_once_get_all_their_work_done():
    sums = [[], []]
    callers = [threading.Thread(target=in_threads, args=(mine.append, range(500))) for mine in sums]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [sorted(mine) for mine in sums] == [list(range(500))] * 2


@pytest.mark.parametrize(("threads", "left"), [(1, 1), (2, 1), (4, 3)])
def test_one_core_is_left_for_as_long_as_a_block_runs_and_also_if_it_fails(threads, left):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with pytest.raises(ZeroDivisionError), one_core_free():
            assert torch.get_num_threads() == left
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
