"""Verbs on a project of which a folder or file has gone: one sentence, and nothing is made."""

import shutil

import pytest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import projects_home
from influence_core.workflow.train.head import TrainOptions, train

VERBS = {
    "train": ["--members", "2", "--width", "32", "--epochs", "2"],
    "explain": [], "labels": [], "evaluate": ["--what", "null"], "decisions": [],
    "cleanse": ["--by", "fraction", "--drop", "0.1"], "trial": ["--seeds", "2"],
    "export": ["--out", "out.csv"], "errors": [], "audit": [], "report": ["--out", "r.html"],
    "verify": [], "projects": [],
}  # fmt: skip
GONE = (
    *("data", "data/*.parquet", "data/*.json", "features", "runs", "runs/*", "runs/*/run.json"),
    *("runs/*/model.safetensors", "cleansings", "cleansings/*", "project.toml", ""),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole") / "home" / "tiny"
    made = project(root, n=90)
    train(made, TrainOptions(members=2, width=32, epochs=20))
    assert CliRunner().invoke(app, ["cleanse", str(root), *VERBS["cleanse"]]).exit_code == 0
    return root


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("gone", GONE)
def test_a_part_that_is_gone_is_one_sentence(whole, tmp_path, monkeypatch, gone, verb):
    monkeypatch.chdir(tmp_path)
    root = projects_home() / "tiny"
    shutil.copytree(whole, root)
    for path in root.glob(gone) if gone else [root]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    name = [] if verb == "projects" else ["tiny"]
    done = CliRunner().invoke(app, [verb, *name, *VERBS[verb]])
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert "Traceback" not in done.output
    assert len(done.stderr.strip().splitlines()) <= 3
    assert gone != "" or not root.exists()
