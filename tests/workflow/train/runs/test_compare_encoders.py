"""Encoders are compared on the user's own data, and what was found stays with the data."""

import json

import pytest
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.errors import DataError, ModelError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.train.runs.compare_encoders import (
    FILE,
    EncoderScore,
    compare_encoders,
    encoder_scores,
    verdict,
)


def score(encoder, accuracy, error=0.01, label_ap=0.5, seconds=1.0):
    return EncoderScore(encoder, 8, "test", accuracy, error, label_ap, seconds)


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """One that reads every word, and one whose words are all unknown to it."""
    folder = tmp_path_factory.mktemp("encoders")
    good, deaf = tiny.reader(folder / "good"), tiny.reader(folder / "deaf")
    from transformers import BertTokenizerFast

    lone = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "zzz"]
    BertTokenizerFast(vocab={w: i for i, w in enumerate(lone)}).save_pretrained(deaf)
    return f"hf:{good}", f"hf:{deaf}"


def test_the_encoder_that_reads_the_words_wins_and_is_remembered(tmp_path, specs):
    project = tiny.project(tmp_path / "films", 60)
    good, deaf = specs
    answer = CliRunner().invoke(
        app, ["encode", str(project.root), "--encoder", good, "--trunk", deaf, "--json"]
    )
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.output)
    assert [s["encoder"] for s in told["encoders"]] == [good, deaf]
    found = encoder_scores(Project.open(project.root))
    assert [s.encoder for s in found] == [good, deaf]  # the most accurate first
    assert found[0].accuracy > 0.9
    assert found[1].accuracy < 0.75
    assert found[0].label_ap > 2 * found[1].label_ap
    assert all(s.seconds > 0 and s.numbers == 16 and s.split == "test" for s in found)
    assert told["verdict"] == f"Use {good}: it is clearly the most accurate on test."
    # Its features are there for a run; the project's own encoder stays.
    assert Project.open(project.root).settings.encoder == "minilm"


def test_later_ones_stand_beside_earlier_ones_of_the_same_data(tmp_path, specs):
    project = tiny.project(tmp_path / "films", 40)
    for spec in specs:
        compare_encoders(project, [spec, spec])
    assert {s.encoder for s in encoder_scores(project)} == set(specs)
    other = tiny.project(tmp_path / "other", 44)
    (other.root / FILE).write_text((project.root / FILE).read_text("utf-8"), "utf-8")
    assert encoder_scores(other) == []
    (project.root / FILE).write_text('{"version": 1, "fingerprint": "x"', "utf-8")
    with pytest.raises(StoreError):
        encoder_scores(project)


def test_what_cannot_be_compared_is_one_sentence(tmp_path, specs):
    project = tiny.project(tmp_path / "films", 24)
    with pytest.raises(ModelError, match="this data holds"):
        compare_encoders(project, [specs[0], "vgg:8,M:8:8:1"])
    with pytest.raises(ModelError, match="There is no encoder 'nothing'"):
        compare_encoders(project, ["nothing"])
    assert not (project.root / FILE).exists()
    with pytest.raises(DataError, match="no labelled test or valid rows"):
        compare_encoders(tiny.only_train(tmp_path / "alone", 24), [specs[0]])


def test_the_verdict_is_about_what_can_be_told_apart():
    a, b = score("a", 0.9, label_ap=0.4, seconds=3.0), score("b", 0.89, label_ap=0.6)
    assert verdict([a]) == ""
    assert verdict([b, score("c", 0.7), a]) == (
        "On test these cannot be told apart: a, b; of them b is the cheapest, and b finds wrong "
        "labels best."
    )
    assert verdict([score("c", 0.7), a]).startswith("Use a: ")
