"""The commands of the README, line by line as they stand there, on projects of these names."""

import re
import shlex
import shutil

import numpy as np
import pytest
from browser import ROOT
from tiny import encoder, project, sentences
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.disk.names import projects_home
from influence_core.store.project import Project

pytestmark = pytest.mark.slow
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
# Runs a server; tests/packaging and tests/cli/test_app_verb.py start it.
ELSEWHERE = {"turnover app"}
# A model is deemed better or not by its accuracy; on so few rows either may be.
ENDS = {"trial": (0, 3), "cleanse": (0, 3)}


def block(word):
    """The commands of the one block that holds this word."""
    (found,) = [text for text in BLOCKS if word in text]
    lines = [shlex.split(line, comments=True) for line in found.splitlines()]
    return [words[1:] for words in lines if " ".join(words) not in ELSEWHERE]


def run(word):
    for words in block(word):
        if "17" in words:  # the id of an item, which readers have from what was printed before
            dataset = Project.open(projects_home() / words[1]).dataset
            words[words.index("17")] = dataset.splits["test"].ids[0]
        answer = CliRunner().invoke(app, words)
        assert answer.exit_code in ENDS.get(words[0], (0,)), (words, answer.output)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def films(folder, rows=240):
    """Sentences, every fifth label wrong; of the test rows none has a label."""
    texts, labels = sentences(rows)
    lines = ["id,text,label,split"]
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        split = ("train", "train", "train", "valid", "valid", "test")[i % 6]
        told = "" if split == "test" else "good" if label ^ (i % 5 == 0) else "bad"
        lines.append(f"{i},{text},{told},{split}")
    (folder / "films.csv").write_text("\n".join(lines), "utf-8")


def test_your_own_csv_and_what_you_decide(folder):
    films(folder)
    run("turnover new films.csv")
    scores = np.load(folder / "scores.npy")
    assert np.isfinite(scores).all()
    assert (folder / "predictions.csv").read_text("utf-8").count("\n") == 41
    (folder / "decisions.csv").write_text("id,verdict,new_label\n0,exclude,\n1,keep,\n", "utf-8")
    run("turnover labels films")
    assert (folder / "films.csv").read_text("utf-8").count("\n") == 3


def test_your_own_features_and_probabilities(folder):
    rng = np.random.default_rng(0)
    for name, rows in (("rows", 90), ("test", 30)):
        label = np.arange(rows) % 3
        features = rng.normal(size=(rows, 8)) + 3 * np.eye(8)[label]
        proba = rng.dirichlet(np.ones(3), rows) / 2 + np.eye(3)[label] / 2
        lines = [f"{i},{'abc'[y]},{i * 7}" for i, y in enumerate(label)]
        (folder / f"{name}.csv").write_text("\n".join(["id,label,age", *lines]), "utf-8")
        np.save(folder / f"{'train' if name == 'rows' else name}.npy", features.astype(np.float32))
        np.save(folder / f"{'oof' if name == 'rows' else 'proba'}.npy", proba.astype(np.float32))
    run("turnover new rows.csv")
    run("turnover publish rows")


def test_your_own_network(folder):
    from transformers import BertTokenizerFast, DistilBertConfig, DistilBertModel

    encoder(folder / "bert")
    words = len((folder / "bert" / "vocab.txt").read_text("utf-8").splitlines())
    DistilBertModel(
        DistilBertConfig(vocab_size=words, dim=16, hidden_dim=24, n_heads=2, n_layers=2)
    ).save_pretrained(folder / "distilbert-folder")
    BertTokenizerFast.from_pretrained(folder / "bert").save_pretrained(folder / "distilbert-folder")
    project(projects_home() / "films")
    run("--mode finetune")


def test_what_harms_is_found_proved_and_exported(folder):
    films(folder)
    runner = CliRunner()
    shutil.copy(folder / "films.csv", folder / "reviews.csv")
    for name in ("films", "reviews"):
        for words in (
            ["new", f"{name}.csv", "--label", "label"],
            ["train", name, "--size", "lean"],
        ):
            answer = runner.invoke(app, words)
            assert answer.exit_code == 0, answer.output
    (folder / "decisions.csv").write_text("id,verdict,new_label\n0,exclude,\n", "utf-8")
    assert runner.invoke(app, ["decide", "films", "decisions.csv"]).exit_code == 0
    assert runner.invoke(app, ["decide", "reviews", "decisions.csv"]).exit_code == 0
    run("turnover cleanse reviews")
    assert (folder / "back.csv").read_bytes() == (folder / "reviews.csv").read_bytes()
    assert "<script" not in (folder / "report.html").read_text("utf-8")
