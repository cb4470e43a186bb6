"""Jobs in a project that came from somebody else: shown, but nothing of theirs is run or read."""

import dataclasses
import json
import os

import pytest
from tiny import project

from influence_core.disk.names import projects_home
from influence_core.errors import StoreError
from influence_core.jobs import find, log_tail, resume, start
from influence_core.jobs.seal import KEY, holds, seal
from influence_core.store.project import Project


@pytest.fixture
def root():
    return project(projects_home() / "tiny", n=30).root


def planted(root, arguments, **more):
    """A job as a stranger lays it into a project's folder: interrupted, to be resumed."""
    folder = root / "jobs" / "20260101-000000-aaaaaa"
    folder.mkdir(parents=True)
    card = {"title": "Train", "arguments": list(arguments), "created": "2026-01-01", "who": "ann"}
    (folder / "job.json").write_text(json.dumps({**card, **more}), "utf-8")
    return folder


@pytest.mark.parametrize("given", [{}, {"seal": ""}, {"seal": "0" * 64}, {"seal": "é" * 64}])
def test_a_strangers_job_is_not_run(root, tmp_path, given):
    target = tmp_path / "profile"
    folder = planted(root, ["export", str(root), "--out", str(target)], **given)
    job = find(root, folder.name)
    assert not job.resumable
    with pytest.raises(StoreError, match="not started from this home"):
        resume(job)
    assert not target.exists()
    assert not (folder / "attempt.json").exists()


def test_a_seal_is_for_these_arguments_of_this_job_from_this_home(monkeypatch, tmp_path):
    given = seal("one", ["train", "x"])
    assert holds(given, "one", ["train", "x"])
    assert not holds(given, "two", ["train", "x"])
    assert not holds(given, "one", ["train", "x", "--ray", "elsewhere"])
    assert not holds(given, "one", ["train x"])
    assert (projects_home() / KEY).stat().st_mode & 0o077 == 0
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path / "other"))
    assert not holds(given, "one", ["train", "x"])
    assert not (tmp_path / "other").exists()  # looking makes nothing


def test_a_job_of_ours_can_still_be_resumed_and_its_log_is_no_way_out(root, tmp_path):
    job = start(root, ["train", str(root), "--epochs", "0"], title="Train")
    while (now := find(root, job.id)).active:
        os.sched_yield()
    assert now.state == "failed"
    assert now.resumable
    assert "epochs" in log_tail(now)
    secret = tmp_path / "secret"
    secret.write_text("the password")
    now.log_path.unlink()
    now.log_path.symlink_to(secret)
    assert log_tail(now) == ""
    with pytest.raises(StoreError, match="Cannot start a process"):
        resume(now)
    assert secret.read_text() == "the password"
    assert not dataclasses.replace(now, ours=False).resumable
    assert Project.open(root)
