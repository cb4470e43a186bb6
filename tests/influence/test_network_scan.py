"""The general scan gives what the slow way gives, and does the first part once per target."""

import threading
from collections import Counter

import pytest
import torch
from torch import nn
from torchvision.models import VGG
from torchvision.models.vgg import make_layers
from transformers import BertConfig, BertForSequenceClassification

from influence_core.errors import CancelledError, ModelError
from influence_core.influence.network_scan import (
    NetworkQuery,
    ScanOptions,
    network_scan,
    null_scores,
)
from influence_core.influence.scan import scan
from influence_core.turnover.calls import logits_of, map_inputs, take_rows
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject
from influence_core.turnover.layer import TurnoverDropout

KEYS = torch.arange(9) * 7919 + 3


def vgg(blocks=2):
    with torch.device("meta"):
        model = VGG(nn.Sequential(), num_classes=3, init_weights=False)
    model.features = make_layers([4, "M", 6, "M", 8, "M"])
    model.avgpool = nn.AdaptiveAvgPool2d(2)
    model.classifier = nn.Sequential(
        nn.Linear(32, 10), nn.ReLU(True), nn.Dropout(), nn.Linear(10, 3)
    )
    inject(model, blocks)
    return model


def bert(blocks=1):
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=40,
            hidden_size=16,
            num_attention_heads=2,
            intermediate_size=24,
            num_hidden_layers=4,
            num_labels=3,
        )
    )
    inject(model, blocks)
    return model


class Residual(nn.Module):
    """A skip over the masked layer, and a prefix partly made of functions."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, 3, bias=False)
        self.act, self.mask = nn.ReLU(inplace=True), TurnoverDropout(8)

    def forward(self, x):
        h = self.act(self.a(x) * 2)
        h = self.join(h, self.mask(torch.relu(self.b(h))))
        return self.c(self.mask(self.act(h)))

    def join(self, h, masked):
        return h + masked


class InPlace(Residual):
    """Adds in place: a (1, ...) residual cannot take (B, ...)."""

    def join(self, h, masked):
        h += masked
        return h


class Shared(nn.Module):
    """A module whose output has no rows, but as many entries as there are targets."""

    def __init__(self):
        super().__init__()
        self.shift, self.inner = nn.Embedding(5, 3), Residual()

    def forward(self, x):
        shift = self.shift(torch.arange(5)).mean(0)
        return self.inner(x) + shift


class Flat(nn.Module):
    """Remembers the batch size of its input: broadcasting would break it."""

    def __init__(self):
        super().__init__()
        self.a, self.mask, self.c = nn.Linear(5, 8), TurnoverDropout(8), nn.Linear(8, 3)

    def forward(self, x):
        return self.c(self.mask(self.a(x)).reshape(x.shape[0], -1))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def sentences(rows=5):
    ids = torch.randint(5, 40, (rows, 8))
    lengths = torch.tensor([8, 3, 6, 5, 4])[:rows]
    return {"input_ids": ids, "attention_mask": (torch.arange(8) < lengths[:, None]).long()}


CASES = {
    "vgg-2": (lambda: vgg(2), lambda: torch.randn(5, 3, 16, 16)),
    "vgg-0": (lambda: vgg(0), lambda: torch.randn(5, 3, 16, 16)),
    "bert-1": (lambda: bert(1), sentences),
    "bert-3": (lambda: bert(3), sentences),
    "residual": (Residual, lambda: torch.randn(5, 5)),
    "in-place": (InPlace, lambda: torch.randn(5, 5)),
    "flat": (Flat, lambda: torch.randn(5, 5)),
    "shared": (Shared, lambda: torch.randn(5, 5)),
}
MODES = {"in-place": "repeat", "flat": "repeat", "shared": "plain"}


@torch.no_grad()
def slow_scores(model, inputs, labels, keys):
    """One target, one key and one side at a time, nothing shared."""
    model.eval()
    scores = torch.empty(len(labels), len(keys))
    for t, label in enumerate(labels):
        for i in range(len(keys)):
            losses = {}
            for side in ("learned", "flipped"):
                with exposure(model, keys[i : i + 1], side):
                    logits = logits_of(model, take_rows(inputs, [t]))
                losses[side] = nn.functional.cross_entropy(logits, label[None])
            scores[t, i] = losses["flipped"] - losses["learned"]
    return scores


LABELS = torch.tensor([0, 1, 2, 1, 0])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("options", [ScanOptions(), ScanOptions(chunk=4, group=2)])
def test_scan_is_the_slow_oracle(case, options):
    model, inputs = (make() for make in CASES[case])
    expected = slow_scores(model, inputs, LABELS, KEYS)
    assert expected.abs().max() > 1e-3
    got = network_scan(model, inputs, LABELS, KEYS, options=options)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    query = NetworkQuery(model, inputs, LABELS, KEYS, options)
    if options.group > 5 or MODES.get(case) != "plain":  # five targets, or no confusion
        assert query.modes == {MODES.get(case, "broadcast")}


def count_calls(model):
    calls = Counter()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    return calls


def test_the_first_part_runs_once_for_all_targets():
    model, inputs = bert(1), sentences(4)
    calls = count_calls(model)
    query = NetworkQuery(model, inputs, None, KEYS, ScanOptions(chunk=2, group=4))
    several = count_calls(other := bert(1))
    NetworkQuery(other, sentences(5), None, KEYS, ScanOptions(chunk=2, group=5))
    # All targets in one batch; what else runs are probes, as many however many targets there are.
    assert calls["bert.encoder.layer.0"] == several["bert.encoder.layer.0"]
    before = Counter(calls)
    query.scores(slice(0, 9))
    scanned = calls - before
    first_part = ["bert.embeddings", *(f"bert.encoder.layer.{i}" for i in range(3))]
    first_part += ["bert.encoder.layer.3.attention", "bert.encoder.layer.3.intermediate.dense"]
    assert [scanned[name] for name in first_part] == [0] * len(first_part)
    chunks = 5
    assert scanned["bert.encoder.layer.3.output.dense"] == scanned["classifier"] == 4 * chunks


def test_scores_toward_every_class_hold_those_toward_one():
    model, inputs = vgg(), torch.randn(5, 3, 16, 16)
    every = network_scan(model, inputs, None, KEYS)
    assert every.shape == (5, 9, 3)
    one = network_scan(model, inputs, LABELS, KEYS)
    torch.testing.assert_close(every[torch.arange(5), :, LABELS], one)


def test_the_model_stays_as_it_is_while_others_use_it():
    model, inputs = vgg(), torch.randn(5, 3, 16, 16)
    model.train()
    tree, trained = str(model), [p.requires_grad for p in model.parameters()]
    query = NetworkQuery(model, inputs, LABELS, KEYS)
    expected = query.scores(slice(0, 9)).scores
    modes, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            modes.add(model.training)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(5):
        assert torch.equal(query.scores(slice(0, 9)).scores, expected)
    done.set()
    watcher.join()
    assert modes == {True}
    assert str(model) == tree
    assert [p.requires_grad for p in model.parameters()] == trained and sum(trained) > 5
    assert all(p.grad is None for p in model.parameters())


def test_full_network_logits_come_along():
    model, inputs = bert(), sentences()
    query = NetworkQuery(model, inputs, None, KEYS, ScanOptions(group=2))
    expected = logits_of(model.eval(), inputs)
    torch.testing.assert_close(query.logits, expected, atol=1e-6, rtol=1e-5)


def test_it_ranks_like_any_estimator():
    model, inputs = vgg(), torch.randn(2, 3, 16, 16)
    query = NetworkQuery(model, inputs, LABELS[:2], KEYS)
    ranking = scan(query, len(KEYS), k=3, chunk=4)
    scores = query.scores(slice(0, 9)).scores
    best = scores[0].argsort(descending=True)[: len(ranking.helpful[0].positions)]
    assert ranking.helpful[0].positions.tolist() == best.tolist()


def test_a_key_that_was_never_trained_on_still_scores():
    model, inputs = vgg(), torch.randn(2, 3, 16, 16)
    null = null_scores(NetworkQuery(model, inputs, LABELS[:2], KEYS), 50, seed=1)
    assert null.shape == (2, 50)
    assert (null.std(1) > 0).all()


def test_wrong_labels_models_and_stops():
    model, inputs = vgg(), torch.randn(5, 3, 16, 16)
    with pytest.raises(ModelError, match="5 targets need one label each, not 2"):
        network_scan(model, inputs, LABELS[:2], KEYS)
    with pytest.raises(ModelError, match="no turn-over layer"):
        network_scan(nn.Linear(3, 2), torch.randn(2, 3), None, KEYS)
    unused = nn.Linear(3, 2)
    unused.mask = TurnoverDropout(2)
    with pytest.raises(ModelError, match="layer 'mask' was not called"):
        network_scan(unused, torch.randn(2, 3), None, KEYS)
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        network_scan(model, inputs, LABELS, KEYS, cancel=stop)


def test_inputs_may_be_a_tuple():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Residual()

        def forward(self, x, y):
            return self.inner(x + y)

    model, x = Two(), torch.randn(5, 5)
    got = network_scan(model, (x, x), LABELS, KEYS)
    expected = slow_scores(model.inner, map_inputs(x, lambda v: 2 * v), LABELS, KEYS)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
