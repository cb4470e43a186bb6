"""Encoders of sentence-transformers, by a tiny model of random weights, against the package."""

import importlib.metadata
import json

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from tiny import GOOD

from influence_core.errors import ModelError
from influence_core.models.encoders import load_encoder
from influence_core.models.tokens import longer_texts

st = pytest.importorskip("sentence_transformers", reason="the extra `st`")
from sentence_transformers.sentence_transformer.modules import (  # noqa: E402
    Dense,
    Normalize,
    Pooling,
    Transformer,
)

PROMPT = "moving and true "
LONG = "a dull grey film " * 30


def saved(folder):
    """CLS pooling over the prompt, too, a layer that narrows, unit length, at most 20 tokens."""
    torch.manual_seed(0)
    words = Transformer(str(tiny.reader(folder.with_name(f"{folder.name}-bert"))))
    words.max_seq_length = 20
    modules = [words, Pooling(16, pooling_mode="cls"), Dense(16, 12), Normalize()]
    model = st.SentenceTransformer(
        modules=modules,
        prompts={"classify": PROMPT, "other": "film"},
        default_prompt_name="classify",
        device="cpu",
    )
    model.save(str(folder))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("hub") / "tiny")


def test_features_are_those_of_the_package_whatever_the_batch(folder):
    encoder = load_encoder(f"st:{folder}")
    texts = [*GOOD, LONG, "a film", ""]
    slow = st.SentenceTransformer(str(folder), device="cpu").encode(texts)
    together = encoder.encode(texts)
    np.testing.assert_allclose(together, slow, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together.shape == (7, encoder.dim) == (7, 12)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, 12)


def test_the_prompt_and_the_class_token_are_the_models_own(folder):
    encoder = load_encoder(f"st:{folder}")
    whole = st.SentenceTransformer(str(folder), device="cpu")
    words, _, dense, _ = whole
    batch = words.tokenizer([PROMPT + "a film"], return_tensors="pt")
    with torch.no_grad():
        token = words.auto_model(**batch).last_hidden_state[:, 0]
        slow = torch.nn.functional.normalize(dense({"sentence_embedding": token})[
            "sentence_embedding"
        ])  # fmt: skip
    np.testing.assert_allclose(encoder.encode(["a film"]), slow.numpy(), atol=1e-5)


def edit(path, **values):
    whole = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(whole | values), "utf-8")


CHANGES = {
    "prompt": lambda at: edit(
        at / "config_sentence_transformers.json", prompts={"classify": "dull "}
    ),
    "no prompt": lambda at: edit(
        at / "config_sentence_transformers.json", default_prompt_name=None
    ),
    "pooling": lambda at: edit(at / "1_Pooling" / "config.json", pooling_mode="mean"),
    "length": lambda at: edit(at / "tokenizer_config.json", model_max_length=9),
    "normalisation": lambda at: (at / "modules.json").write_text(
        json.dumps(json.loads((at / "modules.json").read_text("utf-8"))[:-1])
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_fingerprint_covers_all_that_makes_features(tmp_path, folder, what):
    other = saved(tmp_path / "other")
    before = load_encoder(f"st:{folder}")
    assert load_encoder(f"st:{other}").fingerprint == before.fingerprint
    CHANGES[what](other)
    after = load_encoder(f"st:{other}")
    assert np.abs(after.encode([LONG]) - before.encode([LONG])).max() > 1e-4
    assert after.fingerprint != before.fingerprint


def without(folder, part):
    path = folder / "model.safetensors"
    state = {name: t for name, t in load_file(path).items() if part not in name}
    save_file(state, path, metadata={"format": "pt"})


def test_a_pooler_that_the_file_lacks_is_left_out_and_other_weights_are_missed(tmp_path):
    other = saved(tmp_path / "other")
    whole = load_encoder(f"st:{other}").encode(GOOD)
    without(other, "pooler")
    one, again = (load_encoder(f"st:{other}") for _ in range(2))
    assert one.fingerprint == again.fingerprint
    np.testing.assert_array_equal(one.encode(GOOD), whole)
    without(other, "layer.1.output")
    with pytest.raises(ModelError, match=r"sentence model .* lacks .* such as .*layer\.1\.output"):
        load_encoder(f"st:{other}")


@pytest.mark.parametrize("spec", ["st:nobody/such-a-model", "st:/not/there"])
def test_a_model_out_of_reach_says_what_to_do(spec):
    with pytest.raises(ModelError, match="Check the name and the network, or give a local"):
        load_encoder(spec)


def test_a_name_is_needed():
    with pytest.raises(ModelError, match="'st:' needs a name or folder, such as 'st:"):
        load_encoder("st:")


def test_code_in_a_models_folder_is_not_run(tmp_path):
    other, mark = saved(tmp_path / "other"), tmp_path / "ran"
    (other / "custom.py").write_text(f"open({str(mark)!r}, 'w')\nclass Layer: pass\n")
    parts = json.loads((other / "modules.json").read_text("utf-8"))
    parts[-1]["type"] = "custom.Layer"
    (other / "modules.json").write_text(json.dumps(parts))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(f"st:{other}")
    assert not mark.exists()


@pytest.mark.parametrize("found", [None, "5.2.0"])
def test_without_the_package_or_with_an_old_one_one_sentence_says_how_to_get_it(
    folder, monkeypatch, found
):
    def version(name):
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr("influence_core.models.sentences.version", version)
    with pytest.raises(ModelError, match=r"pip install 'sentence-transformers>=6'"):
        load_encoder(f"st:{folder}")


def test_no_windows_are_promised_for_texts_that_are_cut_off(folder):
    assert longer_texts(f"st:{folder}", [LONG]) is None
