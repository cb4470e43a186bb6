"""`--ray` of the verbs, by a process each as a user starts them, and what it refuses."""

import json
import os
import secrets
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, train

OPTIONS = ["--members", "2", "--width", "16", "--epochs", "30", "--seed", "5", "--device", "cpu"]
needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: the extra `ray`"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    made = tiny.project(tmp_path_factory.mktemp("ray") / "films", 60)
    tiny.reader(made.root / "encoder")
    made = made.with_settings(encoder="hf:encoder")
    train(made, TrainOptions(members=2, width=16, epochs=30, seed=5, device="cpu"))
    return made.root


def refused(*words):
    answer = CliRunner().invoke(app, list(words))
    assert answer.exit_code == 1, answer.output
    return " ".join(answer.stderr.split())


def process(code, *words):
    environment = os.environ | {"COLUMNS": "400"}
    return subprocess.run(
        [sys.executable, "-c", f"{code}\nfrom influence_core.cli import main; main()", *words],
        capture_output=True, text=True, env=environment, timeout=600, check=False,
    )  # fmt: skip


def _rows(rows):
    """What was found, without when; a sum of floats depends on how many threads share it."""
    near = ("score", "stderr")
    return [
        {**row, **{name: pytest.approx(row[name], rel=1e-5, abs=1e-6) for name in near}}
        for row in map(_timeless, rows)
    ]


def _timeless(row):
    return {name: value for name, value in row.items() if name != "when"}


@needs_ray
def test_a_cluster_leaves_sigterm_to_the_verb(root):
    code = (
        "import os, signal\n"
        "from influence_core.cli.common import app, stoppable, verb\n"
        "from influence_core.progress import check_cancel\n"
        "from influence_core.workflow.cluster.cluster import connected\n"
        "@app.command('slow')\n"
        "@verb\n"
        "def slow():\n"
        "    with stoppable() as cancel, connected('auto'):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        cancel.wait(600)\n"
        "        check_cancel(cancel)\n"
    )
    answer = process(code, "slow")
    assert answer.returncode == 130, answer.stderr
    assert answer.stderr.strip() == "Stopped on request; what was finished before is kept."


@needs_ray
def test_every_verb_gives_with_a_cluster_what_it_gives_without(root):
    def told(*words):
        answer = CliRunner().invoke(app, [*words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    first = Project.open(root).run(Project.open(root).runs()[0].id)
    run = told("train", str(root), *OPTIONS, "--ray", "auto")["run"]
    for name, tensor in first.tensors().items():
        there = Project.open(root).run(run).tensors()[name]
        np.testing.assert_allclose(there, tensor, atol=1e-4, err_msg=name)
    explain = ["explain", str(root), "--item", "test-1", "--split", "test", "--run", run]
    here, there = told(*explain), told(*explain, "--ray", "auto")
    assert [row["id"] for row in here["helpful"]] == [row["id"] for row in there["helpful"]]
    cleanse = ["cleanse", str(root), "--run", run, "--by", "count", "--drop", "5"]
    here, there = told(*cleanse), told(*cleanse, "--ray", "auto")
    assert [_timeless(row) for row in there["rows"]] == _rows(here["rows"])


@needs_ray
def test_encode_gives_the_same_features_with_a_cluster(root, tmp_path):
    made = tiny.project(tmp_path / "films", 60)
    tiny.reader(made.root / "encoder")
    made.with_settings(encoder="hf:encoder")
    answer = CliRunner().invoke(app, ["encode", str(made.root), "--ray", "auto"])
    assert answer.exit_code == 0, answer.output
    here, there = Project.open(root), Project.open(made.root)
    for name in here.dataset.splits:
        np.testing.assert_allclose(there.features(name), here.features(name), atol=2e-3)


@needs_ray
def test_a_running_cluster_is_joined_by_its_address_and_left_running(root, monkeypatch):
    # Ray lets nobody in who does not know the cluster's token, as docs/scale.md says.
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    code = (
        "from influence_core.workflow.cluster.cluster import connected\n"
        "with connected('auto') as cluster:\n"
        "    print(cluster.ray.get_runtime_context().gcs_address, flush=True)\n"
        "    input()\n"
        "    print(len(cluster.ray.nodes()), flush=True)\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as keeper:
        address = keeper.stdout.readline().strip()
        words = ["explain", str(root), "--item", "test-1", "--split", "test", "--json"]
        here, there = (process("pass", *words, *more) for more in ([], ["--ray", address]))
        nodes, _ = keeper.communicate("\n", timeout=600)
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    mine, theirs = (json.loads(answer.stdout)["helpful"] for answer in (here, there))
    assert [row["id"] for row in mine] == [row["id"] for row in theirs]
    assert nodes.strip() == "1"


def test_ray_is_refused_where_it_would_do_nothing(root):
    assert "--ray shares out the members" in refused(
        "train", str(root), "--mode", "finetune", "--ray", "auto"
    )


@needs_ray
def test_rounds_stay_on_one_machine(root):
    words = ["cleanse", str(root), "--by", "rounds", "--drop", "2", "--ray", "auto"]
    assert "leave --ray out" in refused(*words)


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "127.0.0.1:99999"])
def test_an_address_where_nobody_answers_is_one_sentence(root, address):
    words = ["explain", str(root), "--item", "test-1", "--split", "test", "--ray", address]
    answer = process("pass", *words)
    assert answer.returncode == 1
    assert f"No Ray cluster answers at {address}" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_ray_the_sentence_says_what_to_install(root):
    words = ["explain", str(root), "--item", "test-1", "--split", "test", "--ray", "auto"]
    answer = process("import sys; sys.modules['ray'] = None", *words)
    assert answer.returncode == 1
    assert "turnover doctor" in answer.stderr
