"""An encoder is held against the data when it is chosen, and long texts are counted before."""

import label_cases
import numpy as np
import pytest
import text_cases
import tiny

from influence_core.data.build import build_dataset
from influence_core.data.options import ReadOptions
from influence_core.errors import ModelError
from influence_core.models.encoders import encodes, load_encoder
from influence_core.models.tokens import longer_texts
from influence_core.workflow.projects import findings
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.projects.findings import findings_of
from influence_core.workflow.projects.preview import inspect_source

ROWS = label_cases.cycled(["good", "bad"], 40)


def texts_and_encoder(tmp_path):
    path = label_cases.write(tmp_path / "d.csv", ROWS)
    return path, f"hf:{tiny.reader(tmp_path / 'encoder')}"


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (
            "torchvision:mobilenet_v2",
            "encodes images, and this data holds sentences; choose",
        ),
        ("vgg:trunk.safetensors", "encodes images, and this data holds sentences"),
        ("hf:", "needs a name or folder"),
        ("hf:nobody/such-a-model", "neither a folder with a whole model.safetensors"),
        ("hf:/not/there", "cannot be loaded"),
        ("minilm:small", "'minilm' alone"),
        ("word2vec", "There is no encoder 'word2vec'"),
    ],
)
def test_an_encoder_that_cannot_encode_the_data_is_refused_before_a_project_is_made(
    tmp_path, encoder, said
):
    path, _ = texts_and_encoder(tmp_path)
    with pytest.raises(ModelError, match=said):
        create(NewProject(str(path), encoder=encoder), tmp_path / "home")
    assert not (tmp_path / "home" / "d").exists()


@pytest.mark.parametrize("encoder", ["minilm", "hf:roberta-base", "vgg:nothing.safetensors"])
def test_pictures_need_an_encoder_of_pictures_that_is_there(tmp_path, encoder):
    for name, value in (("cat", 20), ("dog", 200)):
        (tmp_path / "pics" / name).mkdir(parents=True)
        for i in range(8):
            (tmp_path / "pics" / name / f"{i}.png").write_bytes(tiny.png(value + i))
    with pytest.raises(ModelError, match=r"encodes sentences|nothing\.safetensors"):
        create(NewProject(str(tmp_path / "pics"), encoder=encoder), tmp_path / "home")
    assert not (tmp_path / "home" / "pics").exists()


def test_an_encoder_that_fits_makes_the_project(tmp_path):
    path, encoder = texts_and_encoder(tmp_path)
    project = create(NewProject(str(path), encoder=encoder), tmp_path / "home")
    assert project.settings.encoder == encoder


def test_long_texts_are_counted_alike_by_the_wizard_the_verb_and_the_encoder(tmp_path):
    texts = [f"The film {i} was good. " * (60 if i < 7 else 1) for i in range(40)]
    path = label_cases.write(tmp_path / "d.csv", ROWS, texts)
    said = "7 rows of train are longer than the encoder reads at once (256 tokens)."
    options = ReadOptions(valid_share=0, test_share=0)
    project = create(NewProject(str(path), options=options), tmp_path / "home")
    found = findings_of(project.dataset, project.settings.encoder)
    assert said in [finding.what for finding in found]
    assert said in [problem.what for problem in inspect_source(str(path), options).problems]


LETTERS = "are in letters that the encoder 'minilm' hardly knows."


def found_by_both(path, home, **options):
    """What the verb and the wizard say of letters, and that they say the same."""
    options = ReadOptions(valid_share=0, test_share=0, **options)
    project = create(NewProject(str(path), options=options), home)
    found = findings_of(project.dataset, project.settings.encoder)
    verb = [f.what for f in found if f.rule == "unread-texts"]
    problems = inspect_source(str(path), options).problems
    assert verb == [p.what for p in problems if "hardly knows" in p.what]
    return verb


def test_texts_in_letters_that_the_encoder_does_not_know_are_told_alike(tmp_path):
    english = [f"The film {i} was good, and so was its music." for i in range(40)]
    russian = [text for text, _ in text_cases.spoken("ru", 40)]
    for name, some, wanted in (
        ("german", [text for text, _ in text_cases.spoken("de", 40)], []),
        ("a-few", russian[:3] + english[3:], []),
        ("half", russian[:20] + english[20:], [f"About 50% of the texts of train {LETTERS}"]),
        ("all", russian, [f"About 100% of the texts of train {LETTERS}"]),
    ):
        path = label_cases.write(tmp_path / f"{name}.csv", ROWS, some)
        assert found_by_both(path, tmp_path / "home") == wanted


def test_a_sample_of_many_texts_is_looked_at_and_the_same_one_each_time(tmp_path, monkeypatch):
    asked = []
    real = findings.unread_letters
    monkeypatch.setattr(
        findings, "unread_letters", lambda spec, texts: asked.append(texts) or real(spec, texts)
    )
    rows = [(f"{text} {i} " * 300, label) for i, (text, label) in
            enumerate(text_cases.spoken("el", 1_000))]  # fmt: skip
    parts = {"train": {"text": [r[0] for r in rows], "label": [i % 2 for i in range(1_000)]}}
    data = build_dataset(parts, ["bad", "good"])
    first, second = (findings.unread_texts(data, "minilm") for _ in range(2))
    assert [f.what for f in first] == [f.what for f in second]
    assert asked[0] == asked[1]
    assert (len(asked[0]), max(map(len, asked[0]))) == (400, 500)
    assert first[0].advice.count("--encoder st:") == 1
    assert encodes(findings.MULTILINGUAL) == "text"


def test_what_has_features_of_its_own_is_read_by_no_encoder(tmp_path):
    path = label_cases.write(
        tmp_path / "d.csv", ROWS, [text * 60 for text, _ in text_cases.spoken("he", 40)]
    )
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 4)))
    assert found_by_both(path, tmp_path / "home", features=str(tmp_path / "x.npy")) == []
    problems = inspect_source(str(path), ReadOptions(features=str(tmp_path / "x.npy"))).problems
    assert not [p for p in problems if "longer than the encoder" in p.what]


@pytest.mark.parametrize("spec", ["minilm", "tiny"])
def test_counting_without_weights_agrees_with_the_encoder(tmp_path, spec):
    spec = f"hf:{tiny.reader(tmp_path / 'encoder')}" if spec == "tiny" else spec
    texts = ["a film " * n for n in (1, 29, 30, 31, 126, 127, 128, 200)] + ["", "😀" * 300]
    rows, most = longer_texts(spec, texts)
    encoder = load_encoder(spec)
    assert most == encoder.max_tokens
    assert rows.tolist() == [i for i, long in enumerate(encoder.longer(texts)) if long]


def test_an_encoder_of_the_hub_is_not_asked_for(tmp_path):
    assert longer_texts("hf:nobody/such-a-model", ["a " * 1000]) is None
