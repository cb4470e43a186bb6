"""Jobs with real processes: they end, are cancelled, killed, resumed and queued."""

import time

import psutil
import pytest
from tiny import project

from influence_core.errors import StoreError
from influence_core.jobs import curves, find, jobs, log_tail, resume, start
from influence_core.store.names import projects_home
from influence_core.store.project import Project
from influence_core.workflow.train import encode

TRAIN = ("--members", "2", "--width", "16", "--epochs", "3", "--seed", "1")
PATIENCE = 120


@pytest.fixture
def tiny():
    made = project(projects_home() / "tiny", n=60)
    encode(made)
    return made


def until(job, *states):
    for _ in range(PATIENCE * 20):
        now = find(job.root, job.id)
        if now.state in states:
            return now
        time.sleep(0.05)
    raise AssertionError(f"{now}\n{log_tail(now)}")


def processes_of(job):
    """Runner and verb, found by the job's folder in command line or environment."""
    return [
        p
        for p in psutil.process_iter()
        if str(job.folder) in " ".join(_safe(p.cmdline))
        or _safe(p.environ).get("TURNOVER_JOB") == str(job.folder)
    ]


def _safe(call):
    try:
        return call()
    except (psutil.Error, OSError):
        return {} if call.__name__ == "environ" else []


def train(root, *more):
    return start(root, ["train", str(root), *TRAIN, *more], title="Train")


def test_a_job_ends_done_with_its_result_log_and_curves(tiny):
    job = train(tiny.root)
    assert job.state == "queued"
    done = until(job, "done", "failed")
    assert done.state == "done", log_tail(done)
    run = Project.open(tiny.root).run(done.result["run"])
    assert run.record.seed == 1
    assert run.id in log_tail(done)
    lines = [c for c in curves(done) if c["stage"] == "train"]
    assert [c["done"] for c in lines] == [1, 2, 3]
    assert all(c["learned_loss"] > 0 and c["flipped_loss"] > 0 for c in lines)
    assert [j.id for j in jobs(tiny.root)] == [job.id]
    with pytest.raises(StoreError, match="is done"):
        resume(done)
