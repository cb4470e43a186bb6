"""The runner, the queue and the verb's side, without waiting for torch."""

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from influence_core.disk.names import projects_home
from influence_core.errors import StoreError
from influence_core.jobs import ahead, cancel, curves, find, jobs, log_tail, resume, start
from influence_core.jobs import folder as files
from influence_core.jobs.report import ProgressFile, watching_runner
from influence_core.jobs.seal import seal
from influence_core.jobs.slots import turn
from influence_core.progress import Progress

RUN = """
import sys
from pathlib import Path
from influence_core.jobs.runner import run
run(Path(sys.argv[1]), 1, grace=0.5)
"""


def job_by_hand(root, arguments=("--help",), state="queued"):
    """A job's folder without a runner."""
    folder = root / files.JOBS / "20260101-000000-aaaaaa"
    folder.mkdir(parents=True)
    card = {"title": "T", "arguments": list(arguments), "created": "2026-01-01", "who": "me"}
    files.write(folder, "job.json", card | {"seal": seal(folder.name, arguments)})
    files.write(folder, "attempt.json", {"number": 1, "state": state, "time": 0})
    return folder


def eventually(check):
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("waited for nothing")


@pytest.fixture
def busy():
    """The only slot is taken, so that jobs stay queued."""
    queue = projects_home() / ".jobs"
    queue.mkdir(parents=True)
    with files.lock(queue, "slot-0.lock") as slot:
        yield slot


def test_wrong_usage_is_a_failure_that_names_the_log(tmp_path):
    job = start(tmp_path, ["no-such-verb"], title="Nothing")
    done = eventually(lambda: (now := find(tmp_path, job.id)).state != "queued" and now)
    done = eventually(lambda: not (now := find(tmp_path, job.id)).active and now)
    assert (done.state, done.message) == ("failed", "It ended with code 2; the log says why.")
    assert "no-such-verb" in log_tail(done)


def test_a_verb_that_hears_nothing_is_killed_after_the_grace(tmp_path):
    folder = job_by_hand(tmp_path)
    runner = subprocess.Popen([sys.executable, "-c", RUN, str(folder)])
    children = psutil.Process(runner.pid).children
    verb = eventually(children)[0]
    verb.suspend()  # a stopped process takes no SIGTERM
    cancel(find(tmp_path, folder.name))
    assert runner.wait(600) == 0
    assert not verb.is_running()
    assert find(tmp_path, folder.name).state == "cancelled"


def test_a_removed_project_ends_its_jobs_and_does_not_come_back(tmp_path):
    folder = job_by_hand(tmp_path / "project")
    runner = subprocess.Popen([sys.executable, "-c", RUN, str(folder)])
    own = psutil.Process(runner.pid)
    # One that is stopped before it is another program would hold its parent for ever.
    begun = lambda: [c for c in own.children() if c.cmdline() != own.cmdline()]  # noqa: E731
    verb = eventually(begun)[0]
    verb.suspend()
    shutil.rmtree(tmp_path / "project")
    assert runner.wait(600) == 0
    assert not verb.is_running()
    assert not (tmp_path / "project").exists()


def test_a_killed_verb_is_interrupted_and_the_runner_says_so(tmp_path):
    folder = job_by_hand(tmp_path)
    runner = subprocess.Popen([sys.executable, "-c", RUN, str(folder)])
    eventually(psutil.Process(runner.pid).children)[0].kill()
    assert runner.wait(600) == 0
    job = find(tmp_path, folder.name)
    assert job.state == "interrupted"
    assert "lack of memory" in job.message
    assert job.resumable


def test_a_second_runner_of_an_attempt_does_nothing(tmp_path):
    folder = job_by_hand(tmp_path, state="running")
    subprocess.run([sys.executable, "-c", RUN, str(folder)], check=True, timeout=600)
    assert not (folder / "ending.json").exists()
    assert find(tmp_path, folder.name).state == "interrupted"


def test_a_queued_job_is_cancelled_without_beginning_and_two_resumes_are_one(tmp_path, busy):
    job = start(tmp_path, ["--help"], title="Help")
    cancel(job)
    stopped = eventually(lambda: not (now := find(tmp_path, job.id)).active and now)
    assert stopped.state == "cancelled"
    assert log_tail(stopped) == ""
    threads = [threading.Thread(target=resume, args=(stopped,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert find(tmp_path, job.id).state == "queued"
    assert files.read(job.folder, "attempt.json")["number"] == 2
    busy.release()
    done = eventually(lambda: not (now := find(tmp_path, job.id)).active and now)
    assert done.state == "done"
    assert log_tail(done).count("Usage:") == 1


def test_slots_go_to_those_who_asked_first(busy):
    home, order = projects_home(), []

    def take(name):
        with turn(home, lambda: False, float(name), job=home / str(name)) as ours:
            assert ours
            order.append(name)

    threads = []
    for name in (3, 1, 2):
        threads.append(threading.Thread(target=take, args=(name,)))
        threads[-1].start()
        eventually(lambda: len(list((home / ".jobs").glob("*.ticket"))) == len(threads))
    # A ticket whose holder was killed is a file that nobody has locked.
    (home / ".jobs" / f"{0:020d}-dead.ticket").touch()
    busy.release()
    for thread in threads:
        thread.join()
    assert order == [1, 2, 3]
    assert not list((home / ".jobs").glob("*.ticket*"))


def test_short_work_runs_beside_long_work_which_waits_for_its_like(busy, tmp_path):
    long = start(tmp_path, ["--help"], title="Long", expected=600)
    queued = eventually(lambda: ahead(find(tmp_path, long.id)) == [] and long)
    behind = start(tmp_path, ["--help"], title="Behind")
    eventually(lambda: [j.title for j in ahead(find(tmp_path, behind.id))] == ["Long"])
    # Known to be short, and short by what its verb does; neither waits for the slot that is taken.
    for arguments, expected in ((["--help"], 20.0), (["export", "--help"], None)):
        job = start(tmp_path, arguments, title="Short", expected=expected)
        done = eventually(lambda: not (now := find(tmp_path, job.id)).active and now)  # noqa: B023
        assert done.state == "done"
    assert find(tmp_path, queued.id).state == find(tmp_path, behind.id).state == "queued"
    assert find(tmp_path, queued.id).expected == 600
    busy.release()
    for job in (queued, behind):
        eventually(lambda: not find(tmp_path, job.id).active)  # noqa: B023


def test_who_waits_is_told_of_the_job_that_runs(tmp_path):
    running = job_by_hand(tmp_path / "project", state="running")
    home = projects_home()
    with files.lock(running, files.RUNNER_LOCK), turn(home, lambda: False, 1.0, job=running):
        waiting = start(tmp_path, ["--help"], title="Waiting")
        [before] = ahead(find(tmp_path, waiting.id))
        assert (before.id, before.state) == (running.name, "running")
        cancel(waiting)
    assert ahead(find(tmp_path, waiting.id)) == []


def test_a_reboot_leaves_interrupted_and_a_runner_that_never_came_too(tmp_path):
    folder = job_by_hand(tmp_path)  # long ago
    assert find(tmp_path, folder.name).state == "interrupted"
    young = {"number": 1, "state": "queued", "time": time.time()}
    files.write(folder, "attempt.json", young)
    assert find(tmp_path, folder.name).state == "queued"
    with files.lock(folder, files.VERB_LOCK):
        files.write(folder, "attempt.json", {"number": 1, "state": "running"})
        assert find(tmp_path, folder.name).state == "running"
    assert find(tmp_path, folder.name).state == "interrupted"


@pytest.mark.parametrize("name", ["progress.json", "attempt.json", "ending.json", "result.json"])
@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b"[1]", b'{"done": "x", "state": 7, "result": 3}', b"null"]
)
def test_a_damaged_file_is_no_traceback(tmp_path, name, data):
    folder = job_by_hand(tmp_path, state="running")
    with files.lock(folder, files.RUNNER_LOCK):
        (folder / name).write_bytes(data)
        job = find(tmp_path, folder.name)
        assert job.state in ("running", "queued")
        assert (job.progress, job.rate, job.result) == (None, None, {})
    assert find(tmp_path, folder.name).state == "interrupted"


def test_what_is_no_job_is_passed_over_and_refused_by_name(tmp_path):
    folder = job_by_hand(tmp_path)
    (folder / "job.json").write_text("{", "utf-8")
    (tmp_path / "jobs" / "notes.txt").touch()
    assert jobs(tmp_path) == []
    for name in (folder.name, "20260101-000000-bbbbbb"):
        with pytest.raises(StoreError, match=name):
            find(tmp_path, name)
    with pytest.raises(StoreError, match="cannot be the name of a job"):
        find(tmp_path, "../../etc")
    assert jobs(tmp_path / "nowhere") == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "jobs").touch()
    with pytest.raises(StoreError, match=r"a file stands where a folder is needed\.$"):
        start(tmp_path, ["--help"], title="Help")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from influence_core.errors import StoreError\n"
        "from influence_core.jobs import start\n"
        "try: start(Path(sys.argv[1]), ['--help'], title='Help')\n"
        "except StoreError as error: print(error)\n"
    )

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    # Without what `make coverage` adds, which writes a file at the end.
    own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    out = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path)],
        capture_output=True, text=True, preexec_fn=no_room, check=False, env=own,
    )  # fmt: skip
    assert out.stdout.startswith(f"Cannot write {tmp_path}")
    assert "Traceback" not in out.stderr
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_verb_notices_that_its_runner_was_killed(tmp_path):
    verb = (
        "import threading; from influence_core.jobs.report import watching_runner\n"
        "cancel = threading.Event()\n"
        "with watching_runner(cancel):\n"
        "    print('ready', flush=True); print(cancel.wait(600), flush=True)\n"
    )
    runner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {verb!r}])"
    process = subprocess.Popen([sys.executable, "-c", runner], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    assert process.stdout.readline() == "True\n"
    process.wait()
    process.stdout.close()


def test_a_verb_notices_that_its_runner_died_before_it_looked(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    monkeypatch.setenv(files.RUNNER, str(dead.pid))
    cancel = threading.Event()
    with watching_runner(cancel):
        assert cancel.wait(600)


def test_progress_is_written_a_few_times_a_second_with_its_rate(tmp_path):
    folder = job_by_hand(tmp_path, state="running")
    seconds, written = [0.0], set()
    tell = ProgressFile(folder, clock=lambda: seconds[0])
    path = folder / "progress.json"
    for done in range(0, 1001, 10):  # 100 rows a second
        tell(Progress("encode", done, 1000, "train"))
        told = json.loads(path.read_text("utf-8"))
        written.add(told["done"])
        seconds[0] += 0.1
    assert 20 < len(written) < 45  # of 101 events in 10 seconds
    assert told["done"] == 1000
    assert told["rate"] == pytest.approx(100)
    assert json.loads(path.read_text("utf-8"))["message"] == "train"
    with files.lock(folder, files.RUNNER_LOCK):
        tell(Progress("train", 1, 4, metrics={"learned_loss": 0.5}))
        tell(Progress("train", 2, 4, metrics={"learned_loss": 0.25}))
        job = find(tmp_path, folder.name)
    assert (job.progress.stage, job.progress.done, job.rate) == ("train", 1, None)
    assert [line["learned_loss"] for line in curves(job)] == [0.5, 0.25]


def test_progress_on_a_full_disk_does_not_stop_the_work(tmp_path):
    ProgressFile(tmp_path / "gone")(Progress("train", 1, 2, metrics={"loss": 1.0}))


def test_a_long_log_is_read_from_its_end(tmp_path):
    folder = job_by_hand(tmp_path)
    (folder / files.LOG).write_bytes(b"".join(b"line %d \xff\n" % i for i in range(20_000)))
    text = log_tail(find(tmp_path, folder.name), 1000)
    assert len(text) <= 1000
    assert text.startswith("line ")
    assert text.endswith("line 19999 �\n")


def test_the_project_folder_is_never_imported_from(tmp_path):
    (tmp_path / "filelock.py").write_text("raise SystemExit('imported')", "utf-8")
    (tmp_path / "influence_core").mkdir()
    (tmp_path / "influence_core" / "__init__.py").write_text("raise SystemExit(9)", "utf-8")
    job = start(tmp_path, ["--help"], title="Help")
    done = eventually(lambda: not (now := find(tmp_path, job.id)).active and now)
    assert done.state == "done", log_tail(done)
    assert Path.cwd() != tmp_path
    assert os.environ.get("TURNOVER_JOB") is None
