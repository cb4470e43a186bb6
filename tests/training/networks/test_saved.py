"""What transformers saves of an injected model comes back with its masks, or is refused."""

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig
from transformers import RobertaForSequenceClassification as Roberta

from influence_core import exposure, inject, load_injected
from influence_core.errors import MismatchError, ModelError
from influence_core.turnover.layer import turnover_layers

SIZES = {
    "vocab_size": 40, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24,
    "num_hidden_layers": 2, "num_labels": 3, "max_position_embeddings": 20,
}  # fmt: skip
MODELS = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SIZES)),
    "roberta": lambda: Roberta(RobertaConfig(**SIZES, pad_token_id=0)),
}
IDS = {"input_ids": torch.arange(12).reshape(2, 6) + 3}
KEYS = torch.tensor([7, 8])


def trained(name, **masks):
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    torch.nn.init.normal_(last(model).bias)  # a classifier that somebody has trained before
    inject(model, 1, **masks)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


def last(model):
    return [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]


@torch.no_grad()
def outcomes(model):
    full = model(**IDS).logits
    with exposure(model, KEYS, "learned"):
        return full, model(**IDS).logits


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("masks", [{"seed": 5}, {"seed": 2**40, "twins": "widen"}])
def test_a_saved_model_comes_back_with_weights_bias_and_masks(tmp_path, name, masks):
    model = trained(name, **masks)
    model.save_pretrained(tmp_path)
    again = load_injected(tmp_path)
    assert type(again) is type(model)
    assert [m.spec() for m in turnover_layers(again).values()] == [
        m.spec() for m in turnover_layers(model).values()
    ]
    for got, expected in zip(outcomes(again), outcomes(model), strict=True):
        assert torch.equal(got, expected)
    assert [p.requires_grad for p in again.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]


def test_without_masks_it_is_the_full_network_with_its_bias(tmp_path):
    model = trained("bert", seed=5)
    model.save_pretrained(tmp_path)
    plain, told = BertForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(told["missing_keys"]) == set()
    full, learned = outcomes(model)
    with torch.no_grad():
        assert torch.equal(plain.eval()(**IDS).logits, full)
    with pytest.raises(MismatchError, match=r"masks by inject\(model, .*seed=5"):
        inject(plain, 1)
    assert not turnover_layers(plain)
    inject(plain, 1, seed=5)
    assert torch.equal(outcomes(plain)[1], learned)


def test_what_is_no_injected_model_is_one_sentence(tmp_path):
    MODELS["bert"]().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="not saved with turn-over layers"):
        load_injected(tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_injected(tmp_path / "nothing")
    trained("bert").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_injected(tmp_path)


def test_weights_under_other_masks_than_the_configuration_says_are_refused(tmp_path):
    model = trained("bert", seed=5)
    model.config.turnover = {**model.config.turnover, "seed": 6}
    model.save_pretrained(tmp_path)
    with pytest.raises(MismatchError, match="has seed = 6"):
        load_injected(tmp_path)
