"""Plans put masks where they isolate, keep what the network computes, and refuse the rest."""

import pytest
import torch
from torch import nn
from torchvision.models import VGG
from torchvision.models.vgg import make_layers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from influence_core.errors import ModelError
from influence_core.turnover.audit.audit import audit
from influence_core.turnover.calls import logits_of
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject
from influence_core.turnover.inject.norms import FrozenBatchNorm, freeze_batchnorm
from influence_core.turnover.inject.plan import Plan, Site, plan
from influence_core.turnover.layer import TurnoverDropout, turnover_layers

SIZES = {"vocab_size": 40, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
TEXT = {
    "bert": lambda: BertForSequenceClassification(BertConfig(num_hidden_layers=3, **SIZES)),
    "roberta": lambda: RobertaForSequenceClassification(
        RobertaConfig(num_hidden_layers=3, max_position_embeddings=20, **SIZES)
    ),
    "distilbert": lambda: DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=40, dim=16, hidden_dim=24, n_heads=2, n_layers=3)
    ),
}


def small_vgg(dropout=True):
    # VGG's own classifier has 120 million weights: build it without storage.
    with torch.device("meta"):
        model = VGG(nn.Sequential(), num_classes=3, init_weights=False)
    model.features = make_layers([4, 4, "M", 6, "M", 8, 8, "M"])
    model.avgpool = nn.AdaptiveAvgPool2d(2)
    middle = [nn.ReLU(), nn.Dropout(0.5)] if dropout else [nn.ReLU()]
    model.classifier = nn.Sequential(nn.Linear(32, 10), *middle, nn.Linear(10, 3))
    return model


def normed_vgg():
    with torch.device("meta"):
        model = VGG(nn.Sequential(), num_classes=3, init_weights=False)
    model.features = make_layers([4, "M", 6, "M"], batch_norm=True)
    model.avgpool = nn.AdaptiveAvgPool2d(2)
    model.classifier = nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 3, bias=False))
    return model


MODELS = {"vgg": small_vgg, "vgg-plain": lambda: small_vgg(dropout=False), **TEXT}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def batch_for(name, rows=4):
    labels = torch.arange(rows) % 2
    if name.startswith("vgg"):
        return torch.randn(rows, 3, 16, 16), labels
    ids = torch.randint(5, 40, (rows, 7))
    lengths = torch.randint(3, 8, (rows,))
    return {"input_ids": ids, "attention_mask": (torch.arange(7) < lengths[:, None]).long()}, labels


def build(name):
    return MODELS[name]()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("blocks", [0, 1, 3])
@pytest.mark.parametrize("twins", ["off", "widen"])
def test_the_default_freezing_isolates_every_plan(name, blocks, twins):
    model = build(name)
    report = inject(model, blocks, twins=twins)
    found = audit(model, batch_for(name), instances=2)
    assert found.isolated == 1.0, found.headline
    assert len(report.placed) == blocks + 1
    assert 0 < report.trainable < report.total


@pytest.mark.parametrize("name", MODELS)
def test_without_freezing_the_audit_finds_what_is_shared(name):
    model = build(name)
    report = inject(model, 1, freeze_shared=False)
    assert report.frozen == ()
    leaks = {row.name for row in audit(model, batch_for(name), instances=2).leaks}
    frozen = set(inject(build(name), 1).frozen)
    assert leaks <= frozen  # the plan freezes all that leaks ...
    assert len(leaks) > len(frozen) / 2  # ... and hardly anything that does not


@pytest.mark.parametrize("name", MODELS)
def test_the_full_network_still_computes_the_same(name):
    model = build(name).eval()
    inputs, _ = batch_for(name)
    expected = logits_of(model, inputs)
    state = set(model.state_dict())
    inject(model, 2)
    torch.testing.assert_close(logits_of(model, inputs), expected)
    left = {name for name in model.state_dict() if not name.endswith("mask_spec")}
    assert left == state


@pytest.mark.parametrize("name", MODELS)
def test_widened_twins_start_as_the_network_on_every_side(name):
    model = build(name).eval()
    inputs, _ = batch_for(name)
    expected = logits_of(model, inputs)
    inject(model, 3, twins="widen")
    torch.testing.assert_close(logits_of(model, inputs), expected)
    for side in ("learned", "flipped"):
        with exposure(model, torch.tensor([3, 1, 4, 1]), side):
            torch.testing.assert_close(logits_of(model, inputs), expected)


@pytest.mark.parametrize("name", ["vgg", "bert"])
def test_twin_start_keeps_the_width_and_makes_both_sides_equal(name):
    model = build(name).eval()
    shapes = {n: p.shape for n, p in model.named_parameters() if not n.endswith("bias")}
    inject(model, 2, twins="start")
    assert all(model.get_parameter(n).shape == shape for n, shape in shapes.items())
    inputs, _ = batch_for(name)
    sides = []
    for side in ("learned", "flipped"):
        with exposure(model, torch.arange(4), side):
            sides.append(logits_of(model, inputs))
    torch.testing.assert_close(*sides)


def test_numbers_and_units_stand_in_the_report():
    report = inject(small_vgg(), 2)
    assert [(p.name, p.number, p.units, p.after) for p in report.placed] == [
        ("features.7.1", 0, 6, "features.5"),
        ("features.12.1", 1, 8, "features.10"),
        ("classifier.2", 2, 10, "classifier.0"),
    ]
    assert report.fixed == ("classifier.3",)
    assert "features.12.1: 8 units, after features.10" in str(report)


def test_p_and_seed_reach_every_layer():
    model = small_vgg()
    inject(model, 1, p=0.25, seed=7)
    assert {(m.p, m.seed) for m in turnover_layers(model).values()} == {(0.25, 7)}


def test_a_pattern_replaces_dropouts_by_name_and_kind():
    model = nn.Sequential()
    model.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout2d(0.1), nn.Dropout(0.1))
    model.head = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.Dropout(0.3), nn.Linear(5, 2))
    report = inject(model, "*.[12]")
    assert [p.name for p in report.placed] == ["body.1", "body.2", "head.2"]
    assert [m.dim for m in turnover_layers(model).values()] == [1, None, None]
    with exposure(model, torch.arange(3)):
        assert model(torch.randn(3, 1, 4, 4)).shape == (3, 2)


def test_your_own_plan_by_registration():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.act, self.b = nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)

        def forward(self, x):
            return self.b(self.act(self.a(x)))

    @plan.register
    def _(model: Mine, blocks: int | None) -> Plan:
        return Plan((Site("act", False, 6, "a", ("b",)),), fixed=("b",))

    model = Mine()
    inject(model)
    assert audit(model, (torch.randn(3, 4), torch.tensor([0, 1, 0]))).isolated == 1.0


def snapshot(model):
    return str(model), {n: p.requires_grad for n, p in model.named_parameters()}


@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [
        (lambda: nn.Linear(2, 2), {}, "no built-in plan for Linear"),
        (lambda: nn.Linear(2, 2), {"where": "*"}, "none at all"),
        (small_vgg, {"where": "head.*"}, "its Dropout modules are: classifier.2"),
        (small_vgg, {"where": 4}, "has 3 blocks"),
        (small_vgg, {"where": -1}, "has 3 blocks"),
        (TEXT["bert"], {"where": 9}, "has 3 blocks"),
        (small_vgg, {"p": 1.0}, "probability p is 1.0"),
        (small_vgg, {"p": 0.25, "twins": "start"}, "need p = 0.5"),
        (small_vgg, {"twins": "both"}, "no twin mode"),
        (small_vgg, {"where": "*", "twins": "widen"}, "need a built-in plan"),
        (normed_vgg, {}, r"features.1 \(BatchNorm2d\) mixes .*GroupNorm"),
        (
            lambda: nn.Sequential(nn.InstanceNorm2d(3, track_running_stats=True), nn.Dropout()),
            {"where": "1"},
            "rewrites",
        ),
        (lambda: nn.Sequential(nn.AlphaDropout(), nn.Dropout()), {"where": "1"}, "not zero"),
        (lambda: nn.Sequential(TurnoverDropout(3)), {}, "has turn-over layers already"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(model, arguments, words):
    model = model()
    before = snapshot(model)
    with pytest.raises(ModelError, match=words):
        inject(model, **arguments)
    assert snapshot(model) == before


def test_a_bare_linear_classifier_needs_a_masked_block():
    model = small_vgg()
    model.classifier = nn.Sequential(nn.Linear(32, 3))
    with pytest.raises(ModelError, match="mask at least one block"):
        inject(model, 0)
    inject(model, 1)
    assert audit(model, batch_for("vgg"), instances=2).isolated == 1.0


def test_a_frozen_batch_norm_computes_the_same_and_lets_the_plan_through():
    model = normed_vgg()
    x = torch.randn(6, 3, 8, 8)
    model(x)  # statistics worth freezing
    model.eval()
    expected = model(x)
    assert freeze_batchnorm(model) == ["features.1", "features.5"]
    assert sum(isinstance(m, FrozenBatchNorm) for m in model.modules()) == 2
    torch.testing.assert_close(model.train()(x), expected)
    inject(model, 2)
    assert audit(model, (x, torch.arange(6) % 3), instances=2).isolated == 1.0
