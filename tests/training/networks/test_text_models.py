"""One loader of text models for frozen encoders and for whole networks, and what it refuses."""

import json
import struct

import pytest
import tiny
import torch
from safetensors.torch import load_file, save
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast, T5Config, T5Model

from influence_core.data.build import build_dataset
from influence_core.errors import ModelError
from influence_core.models.encoders import load_encoder
from influence_core.training.networks.registry import NetworkSettings, build_network


@pytest.fixture
def folder(tmp_path):
    return tiny.encoder(tmp_path / "tiny")


def both(folder):
    """The two ways to use a text model."""
    yield lambda: load_encoder(f"hf:{folder}")
    yield lambda: build_network(NetworkSettings(f"hf:{folder}", classes=2))


def without(state, part):
    return {name: value for name, value in state.items() if part not in name}


DAMAGE = {
    "cut in the header": lambda whole, state: whole[:100],
    "cut in the weights": lambda whole, state: whole[:-8],
    "empty": lambda whole, state: b"",
    "pickle": lambda whole, state: b"\x80\x04\x95",
    "huge header": lambda whole, state: struct.pack("<Q", 2**40) + whole[8:],
    "foreign": lambda whole, state: save({"fc.weight": torch.zeros(3)}),
    "one layer missing": lambda whole, state: save(without(state, "layer.1.output")),
    "of another size": lambda whole, state: save(
        {n: v[:1].clone() if v.dim() > 1 else v for n, v in state.items()}
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_or_foreign_weights_are_one_sentence_for_both(folder, how):
    path = folder / "model.safetensors"
    whole, state = path.read_bytes(), load_file(path)
    path.unlink()  # another reader may have it mapped
    path.write_bytes(DAMAGE[how](whole, state))
    for use in both(folder):
        with pytest.raises(ModelError, match=r"tiny' cannot be loaded") as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"hidden_size": "x"}, {"num_attention_heads": 0}, {"model_type": 7}, {"vocab_size": -1}],
)
def test_any_config_is_one_sentence_for_both(folder, change):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    for use in both(folder):
        with pytest.raises(ModelError, match=r"tiny' cannot be loaded"):
            use()


def test_a_checkpoint_without_a_pooler_is_whole(folder):
    path = folder / "model.safetensors"
    state = without(load_file(path), "pooler")
    path.unlink()
    path.write_bytes(save(state, metadata={"format": "pt"}))
    for use in both(folder):
        use()


def test_a_half_precision_checkpoint_is_trained_in_full(folder):
    path = folder / "model.safetensors"
    state = {name: value.half() for name, value in load_file(path).items()}
    path.unlink()
    path.write_bytes(save(state, metadata={"format": "pt"}))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    network = build_network(NetworkSettings(f"hf:{folder}", classes=2))
    assert {p.dtype for p in network.model.parameters()} == {torch.float32}


def test_a_network_cuts_sentences_where_its_positions_end(folder):
    network = build_network(NetworkSettings(f"hf:{folder}", classes=2, blocks=1))
    long = " ".join(["a dull grey film"] * 100)
    rows = network.rows(
        build_dataset({"train": {"text": [long, "a film"], "label": [0, 1]}}, ["a", "b"]).train
    )
    for inputs in (network.prepare([long, "a film"]), rows.inputs([0, 1])):
        assert inputs["input_ids"].shape[1] == 62
        assert network.model.eval()(**inputs).shape == (2, 2)


WORDS = {"<unk>": 0, "</s>": 1, "a": 2, "dull": 3, "film": 4}


def saved(folder, model, **special):
    model.save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="<unk>"))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **special
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "model",
    [
        GPT2Model(GPT2Config(vocab_size=8, n_positions=32, n_embd=16, n_layer=1, n_head=2)),
        T5Model(T5Config(vocab_size=8, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)),
    ],
    ids=["a decoder", "an encoder with a decoder"],
)
def test_architectures_without_a_plan_say_so_when_trained_whole(tmp_path, model):
    place = saved(tmp_path, model, unk_token="<unk>", eos_token="</s>")
    load_encoder(f"hf:{place}").encode(["a film", "film"])
    with pytest.raises(ModelError, match="it is not known where masks belong"):
        build_network(NetworkSettings(f"hf:{place}", classes=2))


def test_without_a_token_to_pad_with_neither_loads(tmp_path):
    config = GPT2Config(vocab_size=8, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    place = saved(tmp_path, GPT2Model(config))
    for use in both(place):
        with pytest.raises(ModelError, match="no token to pad with"):
            use()
