"""Several sessions at once, in little: what `benchmarks.sessions` measures for a minute."""

import pytest

from benchmarks.sessions import run

pytestmark = pytest.mark.browser


def test_sessions_beside_each_other_see_no_error_and_lose_no_decision():
    seen, kept = run(4, 8, (0.0, 0.1))
    assert seen.faults == []
    assert len(seen.clicks) > 20
    assert len(seen.acknowledged) > 2
    assert kept == len(seen.acknowledged)
