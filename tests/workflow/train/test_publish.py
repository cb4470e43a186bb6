"""A network of somebody's own is read rightly or refused, and kept whole where that is possible."""

import functools

import numpy as np
import pytest
import tiny
import torch
from torch import nn
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from influence_core.data.build import build_dataset
from influence_core.data.images import open_image
from influence_core.errors import DataError, ModelError
from influence_core.influence.network_scan import network_scan
from influence_core.store.project import Project
from influence_core.training.networks.own_loop import EPOCHS
from influence_core.turnover.inject.inject import inject
from influence_core.turnover.layer import TurnoverDropout
from influence_core.turnover.masks import as_keys
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, own_item
from influence_core.workflow.session import open_session
from influence_core.workflow.train.publish import publish

SENTENCE = "a lovely warm film"


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def project(tmp_path):
    return tiny.project(tmp_path / "films", 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.encoder(tmp_path_factory.mktemp("hub") / "encoder")


@pytest.fixture
def tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


def bert(tokenizer):
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=64,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


def first(session):
    return find_item(session, "test", int(session.project.dataset.split("test").keys[0]))


def encoder_of(tokenizer):
    def encode(texts):
        return tokenizer(texts, padding=True, truncation=True, return_tensors="pt")

    return encode


class Holder:
    """A class of the user's own around a tokenizer."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, texts):
        return encoder_of(self.tokenizer)(texts)

    def method(self, texts):
        return self(texts)


WAYS = {
    "function": encoder_of,
    "partial": lambda t: functools.partial(lambda tool, texts: encoder_of(tool)(texts), t),
    "object": Holder,
    "method": lambda t: Holder(t).method,
    "shorter": lambda t: (
        lambda texts: t(texts, padding=True, truncation=True, max_length=128, return_tensors="pt")
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "where", [{"where": 1, "twins": "widen", "seed": 2**40}, {"where": "bert.encoder.*.output.*"}]
)
def test_own_sentences_go_through_a_published_classifier(project, tokenizer, way, where):
    model = bert(tokenizer)
    inject(model, **where)
    with torch.no_grad():
        for parameter in model.parameters():  # trained, twins no longer equal
            parameter.add_(0.1 * torch.randn(parameter.shape))
    prepare = WAYS[way](tokenizer)
    publish(project, model, prepare)
    session = open_session(Project.open(project.root), device="cpu")
    assert "turnover" not in session.unavailable()
    item = own_item(session, SENTENCE)
    with torch.no_grad():
        expected = model(**prepare([SENTENCE])).logits.softmax(1)[0].numpy()
    np.testing.assert_allclose(item.proba, expected, atol=5e-3)
    answer = explain(session, item, ExplainOptions("turnover", k=3))
    scores = network_scan(
        model, prepare([SENTENCE]), torch.tensor([item.predicted]),
        as_keys(project.dataset.train.keys),
    )[0]  # fmt: skip
    np.testing.assert_allclose(
        answer.helpful["influence"], scores.sort(descending=True).values[:3], atol=1e-5
    )


NOT_KEPT = {
    "another preparation": (
        lambda t: lambda texts: encoder_of(t)(["dull " + text for text in texts]),
        lambda model: inject(model, 1),
        "not those of a tokenizer",
    ),
    "masks by hand": (
        encoder_of,
        lambda model: setattr(model, "dropout", TurnoverDropout(16)),
        "not placed by `inject`",
    ),
}


@pytest.mark.parametrize("case", NOT_KEPT)
def test_what_cannot_be_kept_says_why_and_what_to_do(project, tokenizer, case):
    prepare, place, why = NOT_KEPT[case]
    model = bert(tokenizer)
    place(model)
    publish(project, model, prepare(tokenizer))
    session = open_session(project, device="cpu")
    assert why in session.unavailable()["turnover"]
    with pytest.raises(ModelError, match="put yours into a split and publish again"):
        own_item(session, SENTENCE)
    with pytest.raises(ModelError, match="script of its author's"):
        explain(session, first(session), ExplainOptions("turnover"))
    assert len(explain(session, first(session), ExplainOptions(k=4)).harmful) == 4


def test_a_kept_network_whose_files_are_damaged_is_a_sentence(project, tokenizer):
    model = bert(tokenizer)
    inject(model, 1)
    run = publish(project, model, encoder_of(tokenizer))
    (run.folder / "kept" / "config.json").write_text("{", "utf-8")
    with pytest.raises(ModelError, match="publish it again"):
        own_item(open_session(project, device="cpu"), SENTENCE)


def test_pictures_of_ones_own_go_through_a_published_classifier(tmp_path):
    parts = {}
    for split, rows in (("train", 12), ("test", 4)):
        labels = [i % 2 for i in range(rows)]
        pictures = [tiny.png(40 + 150 * y + i) for i, y in enumerate(labels)]
        ids = [f"{split}{i}" for i in range(rows)]
        parts[split] = {"image": pictures, "label": labels, "id": ids}
    data = build_dataset(parts, ["dark", "light"])
    project = Project.create(tmp_path / "p", "P", data, "vgg:8,M:8:8:1")
    processor = ViTImageProcessor(size={"height": 16, "width": 16})
    model = ViTForImageClassification(
        ViTConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
            image_size=16, patch_size=8, num_labels=2,
        )
    ).eval()  # fmt: skip
    inject(model, "vit.layers.1.dropout")

    def prepare(pictures):
        return processor([open_image(p).convert("RGB") for p in pictures], return_tensors="pt")

    publish(project, model, prepare)
    session = open_session(project, device="cpu")
    picture = tiny.png(99)
    item = own_item(session, picture)
    with torch.no_grad():
        expected = model(**prepare([picture])).logits.softmax(1)[0].numpy()
    np.testing.assert_allclose(item.proba, expected, atol=5e-3)
    assert len(explain(session, item, ExplainOptions("turnover", k=3)).helpful) == 3


# What a network gives ---------------------------------------------------------------------------


class Bag(nn.Module):
    """Letters counted, one masked layer; the last layer as the case wants it."""

    def __init__(self, classes=2, after=lambda z: z, **last):
        super().__init__()
        self.a, self.mask = nn.Linear(26, 16), TurnoverDropout(16)
        self.last, self.after = nn.Linear(16, classes, **last), after
        self.unused = nn.Linear(16, 5)  # the last of `modules()`, and not of the pass

    def forward(self, x):
        return self.after(self.last(self.mask(self.a(x).relu())))


def letters(texts):
    counts = [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts]
    return torch.tensor(counts, dtype=torch.float32)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("classes", [2, 1])
def test_the_stored_last_layer_predicts_what_the_network_does(project, classes, bias):
    model = Bag(classes, bias=bias).eval()
    run = publish(project, model, letters)
    session = open_session(project, device="cpu")
    with torch.no_grad():
        logits = model(letters(project.dataset.split("test").texts()))
    proba = logits.softmax(1) if classes == 2 else torch.cat([-logits, logits], 1).div(2).softmax(1)
    table = run.table("pred-test")
    np.testing.assert_array_equal(table["predicted"], proba.argmax(1))
    np.testing.assert_allclose(table["confidence"], proba.amax(1), atol=1e-5)
    rows = session.split_features("test").rows(torch.arange(len(table)))
    torch.testing.assert_close(session.head.proba(rows), proba, atol=5e-3, rtol=0)
    assert len(explain(session, first(session), ExplainOptions(k=4)).harmful) == 4


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: Bag(3), "tells 3 classes apart, but project 'Tiny' has 2"),
        (lambda: Bag(after=lambda z: z.softmax(1)), "no softmax, no scaling"),
        (lambda: Bag(after=lambda z: 10 * z), "no softmax, no scaling"),
        (lambda: Bag(1, after=torch.sigmoid), "no softmax, no scaling"),
        (lambda: Bag(after=lambda z: z[:, None].expand(-1, 3, -1)), "one vector of logits a row"),
    ],
)
def test_what_would_be_read_wrongly_is_refused_and_leaves_no_run(project, model, words):
    with pytest.raises(ModelError, match=words):
        publish(project, model(), letters)
    assert not project.runs()


def test_training_rows_without_a_label_are_refused(tmp_path):
    parts = {"train": {"text": ["a", "b", "c"], "label": [0, 1, -1], "id": ["1", "2", "3"]}}
    project = Project.create(tmp_path / "p", "P", build_dataset(parts, ["x", "y"]), "minilm")
    with pytest.raises(DataError, match="row 2 has no label"):
        publish(project, Bag(), letters)


@pytest.mark.parametrize("epochs", [None, 2.5])
def test_epochs_are_those_told_at_the_call_or_by_the_trainer(project, tokenizer, epochs):
    model = bert(tokenizer)
    inject(model, where=1)
    model.__dict__[EPOCHS] = 4.0  # as `KeyCallback` leaves it
    run = publish(project, model, encoder_of(tokenizer), epochs=epochs)
    assert run.record.metrics["epochs"] == (4.0 if epochs is None else 2.5)
    assert Project.open(project.root).run(run.id).record.metrics == run.record.metrics
