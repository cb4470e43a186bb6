"""All scores of an item as a file: what is in it, and what is left when it cannot be written."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from tiny import project

from influence_core.errors import CancelledError, DataError, ModelError, StoreError
from influence_core.influence import ESTIMATORS
from influence_core.workflow.explain.all_scores import WHAT, write_scores
from influence_core.workflow.explain.explain import ExplainOptions, explain, query_of
from influence_core.workflow.explain.items import find_item, own_item
from influence_core.workflow.explain.one_row import score_of
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

ROWS = 3_000  # more than the first chunk, so that there is a second one


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=ROWS)
    train(made, TrainOptions(members=2, width=32, epochs=1))
    return open_session(type(made).open(made.root))


@pytest.fixture(scope="module")
def item(session):
    return find_item(session, "test", int(session.project.dataset.split("test").keys[0]))


@pytest.mark.parametrize("name", list(ESTIMATORS))
@pytest.mark.parametrize("toward", ["true", "predicted"])
def test_the_file_holds_the_scores_of_all_rows(session, item, name, toward, tmp_path):
    path = tmp_path / "scores.npy"
    options = ExplainOptions(name, toward)
    mapped = write_scores(session, item, options, path)
    label = item.true if toward == "true" else item.predicted
    targets = session.targets(item.features[None], torch.tensor([label]))
    direct = query_of(session, item, name, targets).scores(slice(0, ROWS)).scores
    stored = np.load(path, allow_pickle=False)
    assert stored.shape == (1, ROWS)
    assert stored.dtype == np.float32
    assert isinstance(mapped, np.memmap)
    np.testing.assert_allclose(stored, direct.cpu().numpy(), rtol=1e-5, atol=1e-7)
    assert stored[0, 2_500] == pytest.approx(score_of(session, item, options, 2_500).score, 1e-4)


def test_the_strongest_of_the_file_are_those_of_the_ranking(session, item, tmp_path):
    scores = write_scores(session, item, ExplainOptions(), tmp_path / "scores.npy")[0]
    answer = explain(session, item, ExplainOptions(k=5))
    keys = session.project.dataset.train.keys
    assert keys[np.argsort(-scores, kind="stable")[:5]].tolist() == answer.helpful["key"].tolist()
    assert keys[np.argsort(scores, kind="stable")[:5]].tolist() == answer.harmful["key"].tolist()


def test_the_card_says_what_the_scores_are(session, item, tmp_path):
    write_scores(session, item, ExplainOptions("turnover", "true"), tmp_path / "scores.npy")
    card = json.loads((tmp_path / "scores.json").read_text("utf-8"))
    assert "Position i is row i of the training split" in card.pop("order")
    assert card == {
        "version": 1,
        "what": WHAT,
        "run": session.run.id,
        "estimator": "turnover",
        "toward": "true",
        "label": session.classes[item.true],
        "item": {"split": "test", "id": "test-0", "key": f"{item.key:016x}"},
        "rows": ROWS,
        "dataset_fingerprint": session.project.dataset.fingerprint,
    }
    write_scores(
        session, own_item(session, "a dull mess"), ExplainOptions(), tmp_path / "scores.npy"
    )
    card = json.loads((tmp_path / "scores.json").read_text("utf-8"))
    assert card["item"] == {"split": None, "id": None, "key": None, "text": "a dull mess"}


def test_progress_reaches_all_rows(session, item, tmp_path):
    events = []
    write_scores(session, item, ExplainOptions(), tmp_path / "scores.npy", progress=events.append)
    assert [(event.stage, event.done, event.total) for event in events] == [
        ("scan", 2_048, ROWS),
        ("scan", ROWS, ROWS),
    ]


def test_a_cancel_leaves_nothing_new_and_what_was_there(session, item, tmp_path):
    def stopped():
        cancel = threading.Event()
        with pytest.raises(CancelledError):
            write_scores(
                session, item, ExplainOptions(), tmp_path / "scores.npy",
                progress=lambda _: cancel.set(), cancel=cancel,
            )  # fmt: skip

    stopped()
    assert list(tmp_path.iterdir()) == []
    write_scores(session, item, ExplainOptions("turnover"), tmp_path / "scores.npy")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["scores.json", "scores.npy"]
    stopped()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["scores", "scores.csv", ".npy", "scores.npy.gz"])
def test_another_ending_is_refused(session, item, tmp_path, name):
    with pytest.raises(DataError, match=r"a name ending in \.npy\.$"):
        write_scores(session, item, ExplainOptions(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_bad_questions_are_refused_and_write_nothing(session, item, tmp_path):
    path = tmp_path / "scores.npy"
    with pytest.raises(DataError, match="ask among 'all'"):
        write_scores(session, item, ExplainOptions(among="true"), path)
    with pytest.raises(DataError, match="no true label"):
        write_scores(session, own_item(session, "fine"), ExplainOptions(toward="true"), path)
    with pytest.raises(ModelError, match="magic"):
        write_scores(session, item, ExplainOptions("magic"), path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_ours_is_never_replaced_by_the_card(session, item, tmp_path):
    for content in ('{"text": "rows of mine"}', "[1, 2]", "not json"):
        (tmp_path / "films.json").write_text(content)
        with pytest.raises(StoreError, match=r"films\.json .* is another file"):
            write_scores(session, item, ExplainOptions(), tmp_path / "films.npy")
        assert (tmp_path / "films.json").read_text() == content
        assert [path.name for path in tmp_path.iterdir()] == ["films.json"]


@pytest.mark.parametrize("where", ["nowhere/scores.npy", "file/scores.npy", "x" * 300 + ".npy"])
def test_a_place_that_cannot_be_written_is_one_sentence(session, item, tmp_path, where):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"[Cc]annot (write|be written).*\.$"):
        write_scores(session, item, ExplainOptions(), tmp_path / where)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_of_that_name_is_refused(session, item, tmp_path):
    (tmp_path / "scores.npy").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        write_scores(session, item, ExplainOptions(), tmp_path / "scores.npy")


FULL = """
import resource, signal, sys
from pathlib import Path
from influence_core.errors import StoreError
from influence_core.store.project import Project
from influence_core.workflow.explain.all_scores import write_scores
from influence_core.workflow.explain.explain import ExplainOptions
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.session import open_session

session = open_session(Project.open(Path(sys.argv[1])), device="cpu")
item = find_item(session, "test", int(session.project.dataset.split("test").keys[0]))
path, limit = Path(sys.argv[2]), int(sys.argv[3])
write_scores(session, item, ExplainOptions("turnover"), path)
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_scores(session, item, ExplainOptions(), path)
except StoreError as error:
    print(error)
"""


def without_room(session, path, limit):
    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL, str(session.project.root), str(path), str(limit)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Cannot write {path}: ")
    assert done.stdout.count("\n") == 1
    assert sorted(p.name for p in path.parent.iterdir()) == ["scores.json", "scores.npy"]
    assert json.loads(path.with_suffix(".json").read_text())["estimator"] == "turnover"
    assert np.load(path).shape == (1, ROWS)


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(session, tmp_path):
    """A limit on file size stands for the full disk."""
    without_room(session, tmp_path / "scores.npy", 5_000)


def test_a_disk_that_is_really_full_does_not_kill_the_process(session, tmp_path):
    """Where this user may mount a small disk: a mapped file would end by SIGBUS."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        without_room(session, disk / "scores.npy", 0)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
