"""The audit must find every way in which the flipped side can read what the instance touched."""

import pytest
import torch
from torch import nn

from influence_core.errors import ModelError
from influence_core.turnover.audit.audit import audit, freeze_shared
from influence_core.turnover.audit.names import describe
from influence_core.turnover.exposure import exposure
from influence_core.turnover.head import HeadConfig, TurnoverHead
from influence_core.turnover.inject.norms import freeze_batchnorm
from influence_core.turnover.layer import TurnoverDropout

BATCH = 5


class Elementwise(nn.Module):
    """The wrong way to mask a convolution: its filters are shared over the positions."""

    def __init__(self, shape):
        super().__init__()
        self.mask = TurnoverDropout(shape[0] * shape[1] * shape[2])

    def forward(self, x):
        return self.mask(x.flatten(1)).view_as(x)


class Tied(nn.Module):
    """One square weight under two different masks."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(8, 8, bias=False)
        self.first, self.second = TurnoverDropout(8), TurnoverDropout(8)
        self.last = nn.Linear(8, 3, bias=False)

    def forward(self, x):
        hidden = self.first(torch.relu(self.shared(x)))
        return self.last(self.second(torch.relu(self.shared(hidden))))


def mlp(*, last_bias=False, norm=None):
    layers = [nn.Linear(8, 16), *([norm] if norm else []), nn.ReLU(), TurnoverDropout(16)]
    layers += [nn.Linear(16, 12), nn.ReLU(), TurnoverDropout(12), nn.Linear(12, 3, bias=last_bias)]
    return nn.Sequential(*layers)


def conv(mask):
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), mask, nn.Flatten(), nn.Linear(96, 3, bias=False)
    )


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def vectors(rows=BATCH):
    return torch.randn(rows, 8), torch.arange(rows) % 3


def images():
    return torch.randn(BATCH, 1, 4, 4), torch.arange(BATCH) % 3


def names_of(found):
    return {row.name for row in found.leaks}


def test_masked_hidden_layers_are_isolated_exactly():
    found = audit(mlp(), vectors())
    assert found.isolated == 1.0
    assert found.headline == "100 % isolated"
    assert found.spill == 0.0
    assert all(row.read > 0 for row in found.rows)


def test_whole_channels_of_a_convolution_are_isolated():
    assert audit(conv(TurnoverDropout(6)), images()).isolated == 1.0


def test_the_turnover_head_is_isolated():
    head = TurnoverHead(HeadConfig(features=8, classes=3, members=3, width=16))
    found = audit(head, vectors())
    assert found.isolated == 1.0
    assert {row.name for row in found.rows} == {"W1", "b1", "W2"}


def test_leak_last_bias():
    found = audit(mlp(last_bias=True), vectors())
    assert names_of(found) == {"6.bias"}
    assert found.isolated < 1.0
    assert "bias" in found.headline
    assert not found.headline.startswith("100 %")
    assert found.spill > 0


def test_leak_batch_norm_statistics_and_buffers():
    found = audit(mlp(norm=nn.BatchNorm1d(16)), vectors())
    assert found.mixing == ("1",)
    assert {"1.running_mean", "1.running_var", "0.weight", "4.weight"} <= names_of(found)
    assert found.isolated < 0.7
    assert "mix rows" in found.headline


def test_batch_norm_in_eval_mode_does_not_mix():
    model = mlp(norm=nn.BatchNorm1d(16))
    model[1].eval()
    found = audit(model, vectors())
    assert not found.mixing
    assert found.isolated == 1.0  # its scale and shift lie before the mask, unit by unit


def test_leak_elementwise_masks_on_a_convolution():
    found = audit(conv(Elementwise((6, 4, 4))), images())
    assert {"0.weight", "0.bias"} <= names_of(found)
    assert found.isolated < 0.9


def test_leak_trainable_encoder_and_a_frozen_one():
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), *mlp())
    found = audit(model, vectors())
    assert names_of(found) == {"0.weight", "0.bias"}
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    found = audit(model, vectors())
    assert found.isolated == 1.0
    assert [row.note for row in found.rows if not row.trainable] == ["frozen", "frozen"]


def test_leak_tied_weights():
    found = audit(Tied(), vectors())
    assert names_of(found) == {"shared.weight"}


def test_leak_layer_norm():
    found = audit(mlp(norm=nn.LayerNorm(16)), vectors())
    # The learned side's normalised units depend on every row of the first layer.
    assert {"0.weight", "0.bias"} <= names_of(found)


def test_a_saturated_softmax_does_not_hide_a_leak():
    model = mlp(last_bias=True)
    with torch.no_grad():
        model[6].bias[0] = 200.0  # cross-entropy of class 0 has an exactly zero gradient
    inputs, _ = vectors()
    assert names_of(audit(model, (inputs, torch.zeros(BATCH, dtype=torch.long)))) == {"6.bias"}


def test_freezing_what_is_shared_isolates_the_rest():
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), *mlp(last_bias=True))
    frozen = freeze_shared(model, audit(model, vectors()))
    assert set(frozen) == {"0.weight", "0.bias", "8.bias"}
    assert audit(model, vectors()).isolated == 1.0


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    model = mlp(norm=nn.BatchNorm1d(16)).train(training)
    model[1].eval()
    before = {
        name: value.clone() for name, value in model.state_dict().items() if "mask" not in name
    }
    batch = vectors()
    rng = torch.get_rng_state()
    audit(model, batch)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert [m.training for m in model] == [training if i != 1 else False for i in range(len(model))]
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), rng)


def test_plain_dropout_is_no_leak():
    model = nn.Sequential(nn.Dropout(0.5), *mlp())
    assert audit(model, vectors()).isolated == 1.0


def test_the_table_counts_what_was_read():
    found = audit(mlp(last_bias=True), vectors(), instances=2)
    table = {row["name"]: row for row in found.table}
    assert table["6.bias"]["read"] == table["6.bias"]["shared"] == 2 * 3
    assert table["6.bias"]["isolated"] == 0.0
    assert table["6.weight"]["isolated"] == 1.0
    read = sum(row["read"] for row in found.table)
    assert found.isolated == pytest.approx(1 - 6 / read)


def test_spill_is_the_first_order_effect_of_a_step():
    model = mlp(last_bias=True).double()
    inputs, labels = torch.randn(2, 8).double(), torch.tensor([0, 1])
    found = audit(model, (inputs, labels), keys=torch.tensor([5, 6]), instances=1)

    def loss(side):
        with exposure(model, torch.tensor([5]), side):
            return nn.functional.cross_entropy(model(inputs[:1]), labels[:1])

    before = {side: loss(side).item() for side in ("learned", "flipped")}
    loss("learned").backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(1e-6 * parameter.grad)
    change = {side: loss(side).item() - before[side] for side in before}
    assert found.spill == pytest.approx(change["flipped"] / change["learned"], rel=1e-3)


def test_one_row_or_missing_labels_are_refused():
    inputs, labels = vectors()
    with pytest.raises(ModelError, match="at least two rows"):
        audit(mlp(), (inputs[:1], labels[:1]))
    with pytest.raises(ModelError, match="at least two rows"):
        audit(mlp(), (inputs, labels[:3]))
    with pytest.raises(ModelError, match="no turn-over layer"):
        audit(nn.Linear(8, 3), (inputs, labels))


def test_names_are_grouped_for_the_headline():
    names = [f"bert.encoder.layer.{i}.output.LayerNorm.weight" for i in (0, 1, 2, 5)]
    assert describe([*names, "classifier.bias"]) == "output.LayerNorm 0–2, 5, classifier bias"
    assert describe(["a.weight", "b.weight", "c.weight", "d.weight"]) == "a, b, c, 1 more"
    assert describe(["features.0.weight", "features.2.bias"]) == "features 0, 2"


class Zeros(nn.Module):
    """A part before the mask, trained with all the rest, behind a weight that starts at zero."""

    def __init__(self, at):
        super().__init__()
        self.before = nn.Linear(8, 8)
        self.down, self.up = nn.Linear(8, 4, bias=False), nn.Linear(4, 8, bias=False)  # LoRA's
        self.scale = nn.Parameter(torch.ones(8))
        self.mask, self.last = TurnoverDropout(8), nn.Linear(8, 3, bias=False)
        with torch.no_grad():
            for parameter in at(self):
                parameter.zero_()

    def forward(self, x):
        h = self.scale * self.before(x).relu()
        return self.last(self.mask(h) + self.up(self.down(x)))


HIDDEN = {  # what is zero, and the leaks behind it
    "head": (lambda m: [m.last.weight], {"up.weight", "down.weight", "last.weight"}, "last"),
    "lora": (lambda m: [m.up.weight], {"up.weight", "down.weight", "last.weight"}, "up"),
    "scale": (lambda m: [m.scale], {"up.weight", "down.weight", "last.weight"}, "scale"),
    "some": (lambda m: [m.up.weight[:4]], {"up.weight", "down.weight", "last.weight"}, ""),
}


@pytest.mark.parametrize("case", HIDDEN)
@pytest.mark.parametrize("training", [True, False])
def test_zeros_that_training_will_move_hide_no_leak(case, training):
    at, leaks, name = HIDDEN[case]
    model = Zeros(at).train(training)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    found = audit(model, vectors())
    assert names_of(found) == leaks
    assert all(torch.equal(model.state_dict()[n], v) for n, v in before.items() if "mask" not in n)
    assert found.woken == ((f"{name}.weight" if name != "scale" else name,) if name else ())
    assert ("still zero" in found.headline) == bool(name)


def test_after_a_step_the_audit_finds_the_same():
    model = Zeros(HIDDEN["head"][0])
    inputs, labels = vectors()
    fresh = names_of(audit(model, (inputs, labels)))
    with exposure(model, torch.arange(BATCH)):
        nn.functional.cross_entropy(model(inputs), labels).backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    assert names_of(audit(model, (inputs, labels))) == fresh


def test_zeros_keep_their_sign_and_an_error_puts_them_back():
    model = Zeros(HIDDEN["head"][0])
    with torch.no_grad():
        model.last.weight.neg_()
    before = model.last.weight.detach().clone()

    def broken(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        audit(model, vectors(), run=broken)
    assert torch.equal(model.last.weight.signbit(), before.signbit())
    assert model.last.weight.signbit().all()


def test_freezing_after_batch_norm_says_what_to_do_and_freezes_nothing():
    model = mlp(norm=nn.BatchNorm1d(16), last_bias=True)
    found = audit(model, vectors())
    with pytest.raises(ModelError, match=r"1 mix rows .* freeze_batchnorm\(model\)"):
        freeze_shared(model, found)
    assert all(p.requires_grad for p in model.parameters())
    freeze_batchnorm(model)
    assert freeze_shared(model, audit(model, vectors())) == ["7.bias"]
    assert audit(model, vectors()).isolated == 1.0


def test_freezing_after_running_instance_norm_is_refused_too():
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.InstanceNorm2d(6, track_running_stats=True), nn.ReLU(),
        TurnoverDropout(6), nn.Flatten(), nn.Linear(96, 3, bias=False),
    )  # fmt: skip
    with pytest.raises(ModelError, match="cannot isolate this model"):
        freeze_shared(model, audit(model, images()))
