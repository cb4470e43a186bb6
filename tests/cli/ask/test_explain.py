"""`explain` with --scores, and `encode`: what they print, leave, refuse, and how they stop."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.groups.behind import rows_behind
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, has_features, train

STOPPED = "Stopped on request; what was finished before is kept."


def fresh(root):
    """A project on an encoder of its own, with nothing encoded yet."""
    made = tiny.project(root, 60)
    tiny.encoder(made.root / "encoder")
    return made.with_settings(encoder="hf:encoder").root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    made = fresh(tmp_path_factory.mktemp("cli") / "films")
    train(Project.open(made), TrainOptions(members=2, width=16, epochs=2, device="cpu"))
    return made


def done(*words):
    answer = CliRunner().invoke(app, [str(word) for word in words])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def refused(*words):
    answer = CliRunner().invoke(app, [str(word) for word in words])
    assert answer.exit_code == 1, answer.output
    assert "Traceback" not in answer.output
    return " ".join(answer.stderr.split())


def interrupted(*words):
    """The verb in a process that gets Ctrl-C while it opens the project."""
    code = (
        "import os, signal, sys\n"
        "sent = []\n"
        "def interrupt(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('project.toml') and not sent:\n"
        "        sent.append(os.kill(os.getpid(), signal.SIGINT))\n"
        "from influence_core.cli import main\n"
        "sys.addaudithook(interrupt)\n"
        "main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True, text=True, timeout=600, check=False,
        env=os.environ | {"COLUMNS": "400"},
    )  # fmt: skip


def test_the_file_stands_beside_the_usual_answer(root, tmp_path):
    path = tmp_path / "scores.npy"
    ask = ["explain", root, "--item", "test-1", "--estimator", "turnover"]
    said = done(*ask, "--scores", path)
    assert f"All 60 scores: {path}" in said.splitlines()
    assert "Helpful (+)" in said
    told = json.loads(done(*ask, "--scores", path, "--json"))
    assert told.pop("scores") == str(path)
    plain = json.loads(done(*ask, "--json"))
    assert "scores" not in plain
    assert told["helpful"] == plain["helpful"]
    scores = np.load(path)
    session = open_session(Project.open(root))
    keys = session.project.dataset.split("test").keys
    answer = explain(
        session, find_item(session, "test", int(keys[1])), ExplainOptions("turnover", k=1)
    )
    assert scores.max() == pytest.approx(answer.helpful["influence"].iloc[0], rel=1e-5)
    assert json.loads(path.with_suffix(".json").read_text())["item"]["id"] == "test-1"


def test_a_relative_file_is_named_with_its_folder(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = json.loads(done("explain", root, "--item", "test-1", "--scores", "s.npy", "--json"))
    assert told["scores"] == str(tmp_path / "s.npy")
    assert (tmp_path / "s.npy").is_file()


def test_scores_that_cannot_be_written_are_one_sentence(root, tmp_path):
    ask = ["explain", root, "--item", "test-1"]
    path = tmp_path / "scores.npy"
    assert "leave --ray or --scores out" in refused(*ask, "--scores", path, "--ray", "auto")
    assert "ending in .npy" in refused(*ask, "--scores", tmp_path / "scores.csv")
    assert "among 'all'" in refused(*ask, "--scores", path, "--among", "true")
    assert "Cannot write" in refused(*ask, "--scores", tmp_path / "nowhere" / "scores.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("scores", [False, True])
def test_ctrl_c_ends_with_130_and_leaves_no_file(root, tmp_path, scores):
    path = tmp_path / "scores.npy"
    answer = interrupted(
        "explain", root, "--item", "test-1", *(["--scores", path] if scores else [])
    )
    assert answer.returncode == 130, answer.stderr
    assert answer.stderr.strip() == STOPPED
    assert answer.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_encode_stops_on_ctrl_c_goes_on_and_says_the_rows_of_each_split(tmp_path):
    root = fresh(tmp_path / "films")
    answer = interrupted("encode", root)
    assert answer.returncode == 130, answer.stderr
    assert answer.stderr.strip() == STOPPED
    assert not has_features(Project.open(root), "train")
    assert "Encoded by hf:encoder: 60 train, 20 valid, 20 test" in done("encode", root)
    project = Project.open(root)
    assert all(has_features(project, name) for name in project.dataset.splits)
    told = json.loads(done("encode", root, "--device", "cpu", "--json"))
    rows = {"train": 60, "valid": 20, "test": 20}
    assert told == {"encoder": "hf:encoder", "rows": rows, "findings": []}


def test_encode_without_its_encoder_is_one_sentence(tmp_path):
    root = tiny.project(tmp_path / "films", 60).with_settings(encoder="hf:nowhere").root
    assert "nowhere" in refused("encode", root)
    assert "There is no project 'nobody'" in refused("encode", "nobody")


@pytest.mark.parametrize("item", ["-5", "--", "1" * 17, "f" * 400, "0x1", "nothing", ""])
def test_an_item_that_is_neither_id_nor_key_is_one_sentence(root, item):
    assert "has no item with the id or key" in refused("explain", root, f"--item={item}")


def test_the_answer_says_first_which_item_it_explains(root, tmp_path):
    split = Project.open(root).dataset.split("test")
    text = split.texts([1])[0]
    ask = ["explain", root, "--item", "test-1"]
    told = json.loads(done(*ask, "--json"))
    item = told["item"]
    assert {name: item[name] for name in ("id", "split", "row", "text", "key")} == {
        "id": "test-1", "split": "test", "row": 2, "text": text, "key": f"{split.keys[1]:016x}",
    }  # fmt: skip
    assert (item["label"], item["predicted"]) == (told["true"], told["predicted"])
    assert item["probability"] == max(told["proba"].values())
    first = " ".join(done(*ask).split()).split("Toward")[0].strip()
    assert first == (
        f"Item test-1 of split test, row 2: given {item['label']}, predicted {item['predicted']} "
        f"({item['probability']:.1%}) by the full network: {text} {told['verdict']['sentence']}"
        f" {told['doubt']}".rstrip()
    )
    assert told["verdict"]["rows"] == len(told["helpful"])
    assert sum(told["verdict"]["nearest"].values()) == 10
    assert f"these {len(told['helpful'])} training rows" in told["verdict"]["sentence"]


def test_an_own_sentence_is_named_by_itself_and_shortened_for_people(root):
    long = "fine\x1b[2J \n" + "ß" * 400
    told = json.loads(done("explain", root, "--text", long, "--json"))["item"]
    assert (told["text"], told["split"], told["id"], told["label"]) == (long, None, None, None)
    first = done("explain", root, "--text", long)
    assert first.startswith("Own item: given no label, predicted ")
    assert "\x1b" not in first
    assert first.count("ß") < 200


def test_training_rows_alone_are_explained_and_what_needs_more_says_so(tmp_path):
    made = tiny.only_train(tmp_path / "only")
    train(made, TrainOptions(members=2, width=32, epochs=4, device="cpu"))
    told = json.loads(done("explain", made.root, "--split", "train", "--json"))
    assert told["item"]["split"] == "train"
    assert told["item"]["predicted"] != told["item"]["label"]
    assert told["item"]["by"].startswith("its flipped side")
    own = told["item"]["key"]
    assert own not in [row["key"] for row in told["helpful"] + told["harmful"]]
    usual = json.loads(done("explain", made.root, "--json"))  # there is no test split
    assert usual["item"] == told["item"]
    assert "the row itself is not ranked" in " ".join(done("explain", made.root).split())
    advice = "make the project again with a share of the rows for valid or test above 0"
    for words in (["cleanse"], ["cleanse", "--by", "decisions", "--try"], ["evaluate"]):
        assert advice in refused(words[0], made.root, *words[1:])
    done("cleanse", made.root, "--by", "decisions")
    assert advice in refused("trial", made.root)
    assert advice in refused("trial", made.root, "--sweep")


def test_rows_behind_most_errors_are_listed_and_lead_to_an_error(root):
    session = open_session(Project.open(root))
    wanted = rows_behind(session, "test")
    told = json.loads(done("errors", root, "--rows", "--top", 5, "--json"))
    assert (told["split"], told["looked_at"]) == ("test", wanted.looked_at)
    assert told["wrong"] == wanted.wrong
    first = wanted.table.head(5)
    assert [row["key"] for row in told["rows"]] == [f"{key:016x}" for key in first["key"]]
    assert [row["errors"] for row in told["rows"]] == first["errors"].tolist()
    train_split = session.project.dataset.train
    assert told["rows"][0]["text"] == train_split.texts([train_split.position(first["key"][0])])[0]
    printed = done("errors", root, "--rows")
    assert f"{len(wanted.table):,} training rows are behind more than one" in printed
    done("explain", root, "--item", told["rows"][0]["worst"])
