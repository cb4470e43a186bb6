"""Long texts are read to their end; a run on features that were cut keeps the encoder that cuts."""

import json

import numpy as np
import pytest
import tiny

from influence_core.data.build import build_dataset
from influence_core.models.encode import encode_split
from influence_core.models.encoders import load_encoder
from influence_core.store.project import Project
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, encode, train

LONG = " ".join(tiny.GOOD + tiny.BAD) + " "
QUICK = TrainOptions(members=2, width=16, epochs=2)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return f"hf:{tiny.reader(tmp_path_factory.mktemp('reader') / 'tiny')}"


def made(root, reader, long):
    """Texts whose last words are the label; long ones are cut before them."""
    start = LONG * 3 if long else ""
    texts = [f"{start}{(tiny.GOOD if i % 2 else tiny.BAD)[i % 4]} {i}" for i in range(24)]
    rows = {"text": texts, "label": [i % 2 for i in range(24)]}
    return Project.create(root, "Long", build_dataset({"train": rows}, ["bad", "good"]), reader)


def verdicts(rows=160):
    """As shared/cases/34: thirty times one sentence, then the one that decides the label."""
    parts = ["camera work", "opening", "dialogue", "story", "pace", "hero", "music", "cast"]
    good = ["lovely", "brilliant", "charming", "superb", "delightful", "wonderful"]
    bad = ["tedious", "dreadful", "dull", "awful", "boring", "terrible"]
    same = "The company published its quarterly figures and the board met on Tuesday in the usual "
    texts = []
    for i in range(rows):
        one, two = parts[i % 8], parts[(3 * i + 1) % 8]
        word = (bad if i % 2 else good)[i // 2 % 6]
        verdict = f"The {one} and the {two} of film {i} were {word}."
        texts.append(f"{same}room near the river. " * 30 + verdict)
    return texts, [i % 2 for i in range(rows)]


def test_a_verdict_at_the_end_is_learned_only_by_windows(tmp_path):
    """End to end on the first layers of the real MiniLM, with nothing but the encoder changed."""
    texts, labels = verdicts()
    parts = {
        "train": {"text": texts[:120], "label": labels[:120]},
        "test": {"text": texts[120:], "label": labels[120:]},
    }
    data = build_dataset(parts, ["positive", "negative"])
    spec = f"hf:{tiny.minilm_cut(tmp_path / 'cut')}"
    project = Project.create(tmp_path / "whole", "Whole", data, spec)
    options = TrainOptions(members=4, width=32, epochs=60)
    whole = train(project, options).record.metrics["test_accuracy"]
    cut = load_encoder(spec)
    assert cut.longer(texts).all()
    assert len({row.tobytes() for row in cut.encode(texts)}) == 1  # nothing of the end is in it
    project = Project.create(tmp_path / "cut_off", "Cut", data, spec)
    project = project.with_settings(encoder_fingerprint=cut.fingerprint)
    for name, split in data.splits.items():
        path = project.features_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        encode_split(cut, split, path, dataset_fingerprint=project.fingerprint)
    run = train(project, options)
    assert open_session(Project.open(project.root), run.id).encoder().overlap is None
    assert run.record.metrics["test_accuracy"] <= 0.6
    assert "learned nothing" in run.record.finding
    assert whole >= 0.9


def as_before(project, encoder):
    """Features as an earlier version left them: cut, and its card knows of no windows."""
    project = project.with_settings(encoder_fingerprint=encoder.fingerprint)
    path = project.features_path("train")
    path.parent.mkdir(parents=True)
    values = encode_split(
        encoder, project.dataset.train, path, dataset_fingerprint=project.fingerprint
    )
    card = json.loads(path.with_suffix(".json").read_bytes())
    del card["windows"]
    path.with_suffix(".json").write_text(json.dumps(card))
    return project, np.array(values)


def test_a_project_with_long_texts_is_encoded_in_windows(tmp_path, reader):
    project = encode(made(tmp_path / "p", reader, long=True))
    whole = load_encoder(reader).windowed()
    assert project.settings.encoder_fingerprint == whole.fingerprint
    expected = whole.encode(project.dataset.train.texts()).astype(np.float16)
    np.testing.assert_allclose(project.features("train"), expected, atol=2e-3)


def test_features_that_were_cut_are_made_anew_and_stay_with_their_run(tmp_path, reader):
    project, cut = as_before(made(tmp_path / "p", reader, long=True), load_encoder(reader))
    old = project.features_path("train")
    again = encode(project)
    assert again.features_path("train") != old and old.is_file()
    assert np.abs(again.features("train") - cut).max() > 1e-3
    run = train(again, QUICK)
    assert open_session(Project.open(project.root), run.id).encoder().overlap is not None


def test_features_of_short_texts_stay_as_they_are(tmp_path, reader):
    project, before = as_before(made(tmp_path / "p", reader, long=False), load_encoder(reader))
    written = project.features_path("train").stat().st_mtime_ns
    again = encode(project)
    assert again.settings.encoder_fingerprint == project.settings.encoder_fingerprint
    assert again.features_path("train").stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.features("train"), before)
    train(again, QUICK)
    assert open_session(Project.open(project.root)).encoder().overlap is None
