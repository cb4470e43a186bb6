"""Jobs with real processes and real verbs: they end, are cancelled, killed, resumed and queued."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from tiny import project

from influence_core.disk.checkpoint import Parts
from influence_core.disk.names import projects_home
from influence_core.errors import StoreError
from influence_core.jobs import cancel, curves, find, jobs, log_tail, resume, start
from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import list_cleansings
from influence_core.workflow.evaluate.evaluate import EvaluateOptions, evaluate
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, encode, train

TRAIN = ("--members", "2", "--width", "16", "--epochs", "3")
PATIENCE_SECONDS = 180


def wait(root, job_id, enough):
    """The job as soon as `enough(job)`; a job that ends before is a failure."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        now = find(root, job_id)
        if enough(now):
            return now
        if not now.active:
            break
        time.sleep(0.02)
    raise AssertionError(f"{now}\n{log_tail(now)}")


def ended(job):
    return wait(job.root, job.id, lambda now: not now.active)


def processes(job):
    """Runner and verb with all their children, found by the job's folder."""
    found = set()
    for process in psutil.process_iter():
        try:
            named = str(job.folder) in process.cmdline()
            if named or process.environ().get("TURNOVER_JOB") == str(job.folder):
                found.add(process)
        except psutil.Error:
            continue
    return found


def test_a_job_ends_done_with_its_result_log_and_curves():
    root = project(projects_home() / "tiny", n=60).root
    job = start(root, ["train", str(root), *TRAIN, "--seed", "1"], title="Train")
    assert job.state == "queued"
    done = ended(job)
    assert done.state == "done", log_tail(done)
    run = Project.open(root).run(done.result["run"])
    assert run.record.seed == 1
    assert run.id in log_tail(done)
    assert done.finished >= done.created
    lines = [line for line in curves(done) if line["stage"] == "train"]
    assert [line["done"] for line in lines] == [1, 2, 3]
    assert all(line["learned_loss"] > 0 and line["flipped_loss"] > 0 for line in lines)
    with pytest.raises(StoreError, match="is done"):
        resume(done)
    cancel(done)
    assert find(root, job.id).state == "done"


def under_way_of(run):
    return Parts(run.folder / "retrainings" / "halves", "").under_way("").path


def test_cancelled_then_killed_an_evaluation_ends_like_an_unbroken_one(tmp_path):
    root = project(projects_home() / "tiny", n=60).root
    train(Project.open(root), TrainOptions(members=2, width=256, epochs=40))
    run = Project.open(root).latest_run()
    asked = ["--what", "lds", "--targets", "2", "--subsets", "60"]
    job = start(root, ["evaluate", str(root), *asked], title="Evaluate")

    def under_way(stage):
        return lambda now: now.progress and now.progress.stage == stage and now.progress.done > 20

    wait(root, job.id, under_way("halves"))
    cancel(job)
    stopped = ended(job)
    assert stopped.state == "cancelled"
    assert "what was finished before is kept" in log_tail(stopped)
    assert "Traceback" not in log_tail(stopped)
    chunks = set((run.folder / "retrainings").glob("halves.*")) - {under_way_of(run)}
    kept = {path: path.read_bytes() for path in chunks}
    assert kept

    assert resume(stopped).state == "queued"
    running = wait(root, job.id, under_way("ceiling"))
    assert running.rate > 0
    assert running.remaining >= 0
    for process in processes(running):
        process.kill()
    killed = ended(job)
    assert killed.state == "interrupted"
    assert killed.message.startswith("It was ended from outside")
    assert not run.has_table("eval-lds")

    done = ended(resume(killed))
    assert done.state == "done", log_tail(done)
    assert done.result == {"evaluation": run.id}
    assert all(path.read_bytes() == content for path, content in kept.items())
    resumed = run.table("eval-lds")
    (run.folder / "retrainings").rename(tmp_path / "aside")
    options = EvaluateOptions(what=("lds",), targets=2, subsets=60)
    unbroken = evaluate(open_session(Project.open(root)), options).tables["lds"]
    pd.testing.assert_frame_equal(resumed, unbroken.reset_index(drop=True), rtol=1e-4)


STARTER = """
import sys
from pathlib import Path
from influence_core.jobs import start
root = sys.argv[1]
for seed in sys.argv[2:]:
    arguments = ["train", root, "--members", "2", "--width", "16", "--epochs", "3", "--seed", seed]
    print(start(Path(root), arguments, title=f"Seed {seed}").id)
"""


def test_two_apps_share_a_project_and_their_end_does_not_end_their_jobs(monkeypatch):
    monkeypatch.setenv("TURNOVER_JOBS", "2")
    root = project(projects_home() / "tiny", n=60).root  # no features yet: both will encode
    starters = [
        subprocess.Popen([sys.executable, "-c", STARTER, str(root), *seeds], stdout=-1, text=True)
        for seeds in (["1", "2"], ["3"])
    ]
    ids = sorted(line for s in starters for line in s.communicate(timeout=600)[0].split())
    assert all(s.returncode == 0 for s in starters)
    assert sorted(job.id for job in jobs(root)) == ids
    assert any(job.active for job in jobs(root))
    most = 0
    while any(job.active for job in jobs(root)):
        most = max(most, sum(job.state == "running" for job in jobs(root)))
        time.sleep(0.05)
    assert most == 2
    assert {job.state for job in jobs(root)} == {"done"}, [log_tail(job) for job in jobs(root)]
    found = Project.open(root)
    assert sorted(record.seed for record in found.runs()) == [1, 2, 3]
    assert not found.damaged_runs()
    encode(found)
    assert np.isfinite(found.features("train")).all()


def test_sigterm_to_a_verb_of_the_command_line_is_one_sentence_and_130():
    code = (
        "import os, signal\n"
        "from influence_core.cli.common import app, stoppable, verb\n"
        "from influence_core.progress import check_cancel\n"
        "@app.command('slow')\n"
        "@verb\n"
        "def slow():\n"
        "    with stoppable() as cancel:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        cancel.wait(600)\n"
        "        check_cancel(cancel)\n"
        "app(['slow'])\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    assert out.returncode == 130
    assert out.stderr.strip() == "Stopped on request; what was finished before is kept."
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert os.environ.get("TURNOVER_JOB") is None


def test_a_cleansing_killed_in_its_trial_keeps_the_list_that_it_had_found():
    root = project(projects_home() / "tiny", n=90).root
    train(Project.open(root), TrainOptions(members=2, width=32, epochs=2))
    words = [
        "cleanse",
        str(root),
        "--by",
        "count",
        "--drop",
        "5",
        "--target-split",
        "test",
        "--try",
    ]
    job = start(root, [*words, "--seeds", "400"], title="Cleanse")
    running = wait(root, job.id, lambda now: now.progress and now.progress.stage == "retrain")
    for process in processes(running):
        process.kill()
    killed = ended(job)
    assert killed.state == "interrupted"
    (kept,) = list_cleansings(Project.open(root))
    done = ended(resume(killed))
    assert done.result == {"cleansing": kept}, log_tail(done)
    assert list_cleansings(Project.open(root)) == [kept]
    assert "Traceback" not in log_tail(done)
