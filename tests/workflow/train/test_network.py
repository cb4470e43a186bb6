"""Whole networks through the verb: trained, audited, stored, gone on with after a kill."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.disk.checkpoint import FOLDER
from influence_core.errors import CancelledError, DataError, ModelError
from influence_core.store.project import Project
from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.session import open_session
from influence_core.workflow.train.network import (
    NetworkOptions,
    encoder_spec,
    train_network,
)
from influence_core.workflow.train.publish import WEIGHTS

SAMPLES = Path(__file__).parents[3] / "sample_data"


@pytest.fixture
def films(tmp_path):
    project = tiny.project(tmp_path / "films", 40)
    tiny.encoder(project.root / "encoder")
    return project


def clothes(root):
    rng = np.random.default_rng(0)
    parts = {}
    for split, rows in (("train", 24), ("test", 8)):
        labels = (np.arange(rows) % 2).tolist()
        pictures = [tiny.png(int(40 + 150 * y + rng.integers(0, 40))) for y in labels]
        ids = [f"{split}{i}" for i in range(rows)]
        parts[split] = {"image": pictures, "label": labels, "id": ids}
    return Project.create(root, "Clothes", build_dataset(parts, ["dark", "light"]), "vgg:8,M:8:8:1")


def csv_rows(split):
    """Sentences of the sample, one dictionary each."""
    with (SAMPLES / "reviews" / "source" / f"{split}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def labels_of(rows):
    return [int(row["label"] == "positive") for row in rows]


def verb(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def weights(run):
    return {name: t for name, t in run.tensors().items() if name.startswith(WEIGHTS)}


def test_the_verb_trains_audits_and_stores(films):
    done = verb(
        films.root, "--mode", "finetune", "--encoder", "encoder", "--turnover-layers", 1,
        "--epochs", 2, "--batch", 8, "--lr", 0.01, "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["isolation"]["headline"] == "100 % isolated"
    run = films.run(said["run"])
    assert run.record.kind == "network"
    assert run.record.config["network"]["blocks"] == 1
    assert run.record.config["training"]["batch"] == 8
    assert 0 <= run.record.metrics["test_accuracy"] <= 1
    curves = [event["metrics"] for event in run.progress() if event["stage"] == "train"]
    assert [c["epoch"] for c in curves] == [1, 2]
    assert all({"learned_loss", "flipped_loss", "test_loss"} <= set(c) for c in curves)
    assert run.table("audit")["shared"].sum() == 0
    assert not list((films.root / FOLDER).glob("*"))


def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(films):
    arguments = [
        str(films.root), "--mode", "finetune", "--encoder", "encoder", "--epochs", "25",
        "--batch", "4", "--lr", "0.003", "--watch", "nothing", "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "influence_core.cli", "train", *arguments], env=environment
    )
    deadline = time.monotonic() + 600
    while not (found := list((films.root / FOLDER).glob("*.safetensors"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert found[0].is_file()  # in the middle: it had not ended
    assert not films.runs()
    again = verb(*arguments)
    assert again.exit_code == 0, again.output
    resumed = films.latest_run()
    assert verb(*arguments).exit_code == 0
    unbroken = films.latest_run()
    assert unbroken.id != resumed.id
    a, b = weights(resumed), weights(unbroken)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert [e["metrics"] for e in resumed.progress()] == [e["metrics"] for e in unbroken.progress()]


def test_a_cancelled_training_keeps_its_checkpoint_and_no_run(films):
    stop = threading.Event()
    options = NetworkOptions("encoder", training=NetworkTraining(epochs=3, device="cpu"))
    with pytest.raises(CancelledError):
        train_network(films, options, progress=lambda _: stop.set(), cancel=stop)
    assert len(list((films.root / FOLDER).glob("*.safetensors"))) == 1
    assert not films.runs()


def test_a_small_vgg_trains_whole_from_scratch(tmp_path):
    project = clothes(tmp_path / "clothes")
    training = NetworkTraining(epochs=6, batch=8, watch="nothing", device="cpu")
    run = train_network(project, NetworkOptions("vgg:8,M,8,M:16:8:1", 2, training=training))
    assert run.record.isolation.isolated == 1.0
    rows = run.table("audit").to_dict("records")
    assert [r["name"] for r in rows if r["note"] == "frozen"] == ["classifier.2.bias"]
    assert run.record.metrics["test_accuracy"] > 0.7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lr", "0.1"], "add --mode finetune"),
        (["--turnover-layers", "0"], "--turnover-layers is about whole networks"),
        (["--mode", "finetune", "--members", "4"], "--members is about heads"),
        (["--mode", "finetune", "--size", "standard"], "--size is about heads"),
        (["--mode", "finetune", "--width", "64"], "--width is about heads"),
        (["--mode", "finetune", "--lr", "0"], "cannot train"),
        (["--mode", "finetune", "--encoder", "vgg:8,M"], "reads images"),
        (["--mode", "finetune", "--trunk", "vgg:8,M"], "reads images"),  # its old name
        (["--mode", "finetune", "--encoder", "no/such-model"], "nor reachable on the hub"),
        (["--mode", "finetune", "--encoder", "vgg:8,M,M:8:2:1"], "cannot be built"),
        (["--mode", "finetune", "--encoder", "encoder", "--turnover-layers", "7"], "7"),
        (["--mode", "finetune", "--encoder", "encoder", "--precision", "half"], "precision"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(films, arguments, words):
    done = verb(films.root, *arguments)
    assert done.exit_code == 1
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert not films.runs()
    assert not list((films.root / FOLDER).glob("*"))


def test_names_get_their_scheme(tmp_path):
    (tmp_path / "encoder").mkdir()
    assert encoder_spec("vgg11", tmp_path) == "torchvision:vgg11"
    assert encoder_spec("encoder", tmp_path) == "hf:encoder"
    assert encoder_spec("some/model", tmp_path) == "hf:some/model"
    assert encoder_spec("minilm", tmp_path) == "minilm"
    assert encoder_spec("vgg:8,M", tmp_path) == "vgg:8,M"
    assert encoder_spec("image:some/model", tmp_path) == "image:some/model"


def test_one_class_is_refused(tmp_path):
    parts = {"train": {"text": ["a", "b"], "label": [0, 0], "id": ["1", "2"]}}
    project = Project.create(tmp_path / "p", "P", build_dataset(parts, ["x", "y"]), "minilm")
    with pytest.raises(DataError, match="only one class"):
        train_network(project)
    with pytest.raises(ModelError, match="cannot be built"):
        train_network(clothes(tmp_path / "c"), NetworkOptions("vgg:8,M:0"))


@pytest.mark.slow
def test_the_verb_under_accelerate_launch_stores_one_run_of_both_processes(films):
    arguments = [
        "train", films.root, "--mode", "finetune", "--encoder", "encoder", "--turnover-layers", 1,
        "--epochs", 1, "--batch", 8, "--watch", "nothing", "--device", "cpu", "--json",
    ]  # fmt: skip
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "influence_core.cli"]
    done = subprocess.run(
        [*launch, *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    runs = Project.open(films.root).runs()
    assert [run.kind for run in runs] == ["network"]
    assert json.loads(done.stdout)["run"] == runs[0].id
    assert runs[0].isolation.isolated == 1.0
    options = NetworkOptions("encoder", 1, training=NetworkTraining(
        epochs=1, batch=8, watch="nothing", device="cpu"
    ))  # fmt: skip
    alone = train_network(films, options)
    both = films.run(runs[0].id)
    for name, value in weights(alone).items():
        torch.testing.assert_close(weights(both)[name], value, atol=2e-3, rtol=1e-2)


def test_a_cut_of_minilm_trains_jointly_through_the_verb_and_opens(tmp_path):
    rows = csv_rows("train")[:260]
    parts = {
        "train": {"text": [r["text"] for r in rows[:200]], "label": labels_of(rows[:200])},
        "test": {"text": [r["text"] for r in rows[200:]], "label": labels_of(rows[200:])},
    }
    built = build_dataset(parts, ["negative", "positive"])
    project = Project.create(tmp_path / "cut", "Cut", built, "minilm")
    tiny.minilm_cut(project.root / "minilm-2")
    done = verb(
        project.root, "--mode", "finetune", "--encoder", "minilm-2", "--turnover-layers", 1,
        "--epochs", 2, "--batch", 16, "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    run = Project.open(project.root).run(json.loads(done.stdout)["run"])
    assert run.record.isolation.isolated == 1.0
    session = open_session(Project.open(project.root), run.id)
    item = find_item(session, "test", int(session.project.dataset.split("test").keys[0]))
    answer = explain(session, item, ExplainOptions(estimator="turnover", k=5))
    assert len(answer.helpful) == len(answer.harmful) == 5
    assert (answer.helpful["influence"] > 0).all()
