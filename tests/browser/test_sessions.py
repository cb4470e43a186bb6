"""Several sessions at once, in little: what `benchmarks.sessions` measures for a minute."""

import pytest

from benchmarks.sessions import run

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("page", ["errors", "explore"])
def test_sessions_beside_each_other_see_no_error_and_lose_no_decision(page):
    seen, kept = run(4, 8, (0.0, 0.1), page)
    assert seen.faults == []
    assert len(seen.clicks) > 40
    assert len(seen.acknowledged) >= 8
    assert kept == len(seen.acknowledged)
