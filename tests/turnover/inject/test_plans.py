"""Plans of networks without a hidden layer before the logits, and of LoRA on a frozen base."""

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn
from torchvision import models
from torchvision.models import resnet

from influence_core import freeze_shared
from influence_core.errors import ModelError
from influence_core.training.networks.sides import last_layer
from influence_core.turnover.audit.audit import audit
from influence_core.turnover.calls import logits_of
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject
from influence_core.turnover.inject.norms import freeze_batchnorm
from influence_core.turnover.prefix import Prefix

WORDS = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 0}
SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
TALL = {**SIZES, "intermediate_size": 24}
PATCHES = {**TALL, "image_size": 16, "patch_size": 8}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}


def text(name, **more):
    cls = getattr(transformers, f"{name}ForSequenceClassification")
    config = getattr(transformers, f"{name}Config")
    return cls(config(**WORDS, **more))


def clip():
    config = transformers.CLIPConfig(
        text_config={**TALL, "vocab_size": 40, **ENDS}, vision_config=PATCHES, num_labels=3
    )
    return transformers.CLIPForImageClassification(config)


MODELS = {
    "resnet18": lambda: models.ResNet(resnet.BasicBlock, [1, 1, 1, 1], 3),
    "resnet50": lambda: models.ResNet(resnet.Bottleneck, [1, 1, 1, 1], 3),
    "mobilenet_v2": lambda: models.mobilenet_v2(num_classes=3, width_mult=0.25),
    "mobilenet_v3": lambda: models.mobilenet_v3_small(num_classes=3, width_mult=0.5),
    "torchvision-vit": lambda: models.VisionTransformer(16, 8, 3, 2, 16, 24, num_classes=3),
    "vit": lambda: transformers.ViTForImageClassification(
        transformers.ViTConfig(**PATCHES, num_labels=3)
    ),
    "clip": clip,
    "gpt2": lambda: text("GPT2", n_embd=16, n_layer=3, n_head=2, n_positions=20, **ENDS),
    "deberta": lambda: text("Deberta", **TALL, max_position_embeddings=20),
    "deberta-v2": lambda: text("DebertaV2", **TALL, max_position_embeddings=20),
}
DEEP = ("resnet50", "mobilenet_v2", "mobilenet_v3")  # activations die out in untrained ones


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def build(name):
    """With statistics of BatchNorm that are worth freezing, and no weight at zero."""
    model = MODELS[name]()
    if name in DEEP or name.startswith("resnet"):
        with torch.no_grad():
            model.train()(torch.randn(8, 3, 32, 32))
        freeze_batchnorm(model)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    return model.eval()


def inputs_of(name):
    if name.startswith(("gpt", "deberta", "bert", "roberta")):
        ids = torch.randint(3, 40, (4, 7))
        mask = (torch.arange(7) < torch.tensor([7, 4, 6, 5])[:, None]).long()
        return {"input_ids": ids * mask, "attention_mask": mask}
    return torch.randn(
        4, 3, *((16, 16) if name in ("torchvision-vit", "vit", "clip") else (32, 32))
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("twins", ["off", "widen"])
def test_a_plan_isolates_and_keeps_what_the_network_computes(name, twins):
    model, inputs = build(name), inputs_of(name)
    names = set(model.state_dict())
    expected = logits_of(model, inputs)
    report = inject(model, 1, twins=twins)
    assert len(report.placed) == 2
    assert {n for n in model.state_dict() if not n.endswith("mask_spec")} == names
    torch.testing.assert_close(logits_of(model, inputs), expected, rtol=1e-3, atol=1e-5)
    found = audit(model, (inputs, torch.tensor([0, 1, 2, 0])), instances=1)
    assert found.isolated == 1.0, found.headline
    sides = []
    for side in ("learned", "flipped"):
        with exposure(model, torch.tensor([3, 1, 4, 1]), side):
            sides.append(logits_of(model, inputs))
    if twins == "widen":  # every side starts as the network itself
        for made in sides:
            torch.testing.assert_close(made, expected, rtol=1e-3, atol=1e-5)
    else:
        assert not torch.allclose(sides[0], sides[1], rtol=1e-3)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DEEP])
def test_without_freezing_the_audit_finds_only_what_the_plan_would_freeze(name):
    model = build(name)
    inject(model, 1, freeze_shared=False)
    inputs = inputs_of(name)
    found = audit(model, (inputs, torch.tensor([0, 1, 2, 0])), instances=1)
    assert {row.name for row in found.leaks} <= set(inject(build(name), 1).frozen)
    assert found.isolated < 1.0


@pytest.mark.parametrize("name", MODELS)
def test_a_network_is_replayed_and_read_from_its_last_layer(name):
    model, inputs = build(name), inputs_of(name)
    inject(model, 1, twins="widen")
    keys = torch.tensor([3, 1, 4, 1])
    with torch.no_grad(), exposure(model, keys, "flipped"):
        expected = logits_of(model, inputs)
    prefix = Prefix(model, inputs, keys, "learned")
    with exposure(prefix.shell, keys, "flipped"):
        torch.testing.assert_close(prefix.replay(), expected, rtol=1e-3, atol=1e-5)
    weight, _ = last_layer(model, inputs)
    assert weight.shape[0] == 3


def lora(name, **settings):
    settings = {"r": 4, "task_type": "SEQ_CLS"} | settings
    return get_peft_model(build(name), LoraConfig(**settings))


ADAPTED = {
    "bert": lambda: lora("bert", target_modules=["query", "value"]),
    "roberta": lambda: lora("roberta", target_modules=["query"]),
    "gpt2": lambda: lora("gpt2", target_modules=["c_attn"], fan_in_fan_out=True),
    "vit": lambda: lora(
        "vit", target_modules=["fc1", "fc2"], modules_to_save=["classifier"], task_type=None
    ),
}
MODELS_BELOW = {
    "bert": lambda: text("Bert", **TALL),
    "roberta": lambda: text("Roberta", **TALL, max_position_embeddings=20),
}


# PEFT asks transformers by a name that has become an old one.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("name", ADAPTED)
@pytest.mark.parametrize("blocks", [None, 1])
def test_lora_on_a_frozen_base_is_isolated_in_every_layer(name, blocks, monkeypatch):
    monkeypatch.setattr(f"{__name__}.MODELS", MODELS | MODELS_BELOW)
    model, inputs = ADAPTED[name]().eval(), inputs_of(name)
    adapters = sum(n.endswith("lora_B.default") for n, _ in model.named_modules())
    expected = logits_of(model, inputs)
    report = inject(model, blocks)
    assert len(report.placed) == (adapters if blocks is None else blocks) + 1
    torch.testing.assert_close(logits_of(model, inputs), expected)
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert all("lora_" in n or n.endswith(("default.weight", "out_proj.weight")) for n in trained)
    found = audit(model, (inputs, torch.tensor([0, 1, 2, 0])), instances=1)
    assert found.isolated == 1.0, found.headline


def adapted_inside():
    base = text("Bert", **TALL)
    get_peft_model(base, LoraConfig(r=4, target_modules=["dense"]))
    return base


class Plain(nn.Sequential):
    pass


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    ("model", "arguments", "says"),
    [
        (adapted_inside, {}, "inject into what get_peft_model returned"),
        (models.resnet18, {}, r"freeze_batchnorm\(model\)"),
        (lambda: build("resnet18"), {"where": "nothing"}, "its Linear layers, .*: fc"),
        (lambda: build("resnet18"), {"twins": "start"}, "use twins='widen'"),
        (lambda: Plain(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)), {}, "as where='2'"),
        (lambda: lora("vit", r=1, target_modules=["fc1"], task_type=None), {}, "r=8"),
        (lambda: lora("vit", use_dora=True, target_modules=["fc1"], task_type=None), {}, "DoRA"),
    ],
)
def test_advice_leads_somewhere(model, arguments, says):
    with pytest.raises(ModelError, match=says):
        inject(model(), **arguments)


def test_the_layer_that_is_named_reads_through_a_mask():
    """The advice for a class without a plan, followed to its end."""
    model, inputs = build("resnet18"), inputs_of("resnet18")
    expected = logits_of(model, inputs)
    inject(model, "fc")
    torch.testing.assert_close(logits_of(model, inputs), expected)
    labels = torch.tensor([0, 1, 2, 0])
    freeze_shared(model, audit(model, (inputs, labels), instances=1))
    assert audit(model, (inputs, labels), instances=1).isolated == 1.0
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert "fc.weight" in trained
    assert "layer4.0.conv1.weight" not in trained  # what it makes reaches all that fc reads
