"""What several test files of this folder share."""

from importlib.util import find_spec

import pytest


@pytest.fixture(scope="package")
def cluster():
    """A Ray cluster of this machine's processors; skipped where Ray is not installed."""
    if find_spec("ray") is None:  # importing it here would come before our settings
        pytest.skip("Ray is not installed: the extra `ray`")
    from influence_core.workflow.cluster.cluster import connected

    with connected("auto") as one:
        yield one
