"""Settings that every test shares."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that wait must not spin: on a busy machine that makes small steps a hundred times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# Compilation and a busy machine make single examples slow; that is no finding. `make fuzz` asks for
# more examples, and for other ones each time.
TIMES = int(os.environ.get("TURNOVER_EXAMPLES", "1"))
settings.register_profile(
    "turnover", deadline=None, max_examples=50 * TIMES, derandomize=TIMES == 1
)
settings.load_profile("turnover")
torch.set_num_threads(2)

# One cluster at a time is enough for a machine.
RAY = ("tests/workflow/cluster/", "tests/cli/ask/test_ray.py")
# Whole apps, browsers, clusters and jobs; single slow tests elsewhere carry the mark themselves.
SLOW = (*RAY, "tests/app/", "tests/browser/", "tests/jobs/")


class ByFile(LoadScopeScheduling):
    """Each file stays on one worker, with what its tests share, and all of Ray's on the same.

    xdist's own groups are no way there: pytest 9.2 has no such names of tests to write them into.
    """

    def _split_scope(self, nodeid):
        return "ray" if nodeid.startswith(RAY) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Asked of by xdist, whatever `--dist` says."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    """What takes long is marked by its folder; a real browser on a busy machine gets a second try.

    It waits for seconds by the clock. The summary names what was tried again; a fault of ours fails
    twice.
    """
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        if item.nodeid.startswith("tests/browser/"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    """No test may read or write the projects of whoever runs it."""
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path / "home"))
