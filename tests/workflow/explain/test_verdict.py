"""What an answer comes to, in one sentence whose every number can be counted again."""

from contextlib import closing

import numpy as np
import pytest
import torch
from tiny import project

from influence_core.installed import sample_root
from influence_core.store.project import Project, projects_home
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import open_reviews
from influence_core.store.samples import install_samples
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.noise import NoiseCheck
from influence_core.workflow.explain.verdict import Verdict, verdict_of
from influence_core.workflow.review.doubt import doubted_rows
from influence_core.workflow.review.nearest import likeness, nearest_rows
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=4, width=64, epochs=8))
    return open_session(type(made).open(made.root))


def test_what_is_unlike_all_training_rows_is_told(session):
    rows = session.features.rows(torch.arange(len(session.evidence)))
    assert not likeness(session, rows[3]).strange  # it is one of them
    strange = likeness(session, -rows.mean(0) - 5 * rows.std(0) * torch.sign(rows[3]))
    assert strange.strange and "believe the prediction little" in strange.sentence
    unit = rows / rows.norm(dim=1, keepdim=True)
    cosine = unit @ unit.T - 3 * torch.eye(len(rows))
    usual = np.quantile(cosine.max(1).values.numpy(), 0.01)
    assert strange.usual == pytest.approx(usual, abs=1e-5)


def verdict(**other):
    plain = {
        "predicted": "Coat", "label": "Shirt", "toward": "Coat", "rows": 12,
        "suspicious": (1, 2, 3), "nearest": (("Coat", 9), ("Shirt", 1)), "label_doubtful": True,
    }  # fmt: skip
    return Verdict(**{**plain, **other})


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (
            {},
            "Called *Coat* because of these 12 training rows; 3 of them look mislabelled. Its own "
            "label *Shirt* may be wrong: 9 of its 10 nearest rows are *Coat*.",
        ),
        (
            {"suspicious": (1,), "nearest": (("Coat", 10),)},
            "Called *Coat* because of these 12 training rows; 1 of them looks mislabelled. Its own "
            "label *Shirt* may be wrong: all of its 10 nearest rows are *Coat*.",
        ),
        (
            {"suspicious": (), "nearest": (("Coat", 5), ("Shirt", 5)), "label_doubtful": False},
            "Called *Coat* because of these 12 training rows. Nothing stands out: none of them "
            "looks mislabelled. 5 of its 10 nearest rows are *Shirt*, its label.",
        ),
        (
            {"label": "Coat", "suspicious": (), "label_doubtful": False, "rows": 1},
            "Called *Coat*, as its label says, because of this training row. Nothing stands out: "
            "it does not look mislabelled. 9 of its 10 nearest rows are *Coat*, its label.",
        ),
        (
            {"label": None, "label_doubtful": False, "suspicious": (4, 5)},
            "Called *Coat* because of these 12 training rows; 2 of them look mislabelled.",
        ),
        (
            {"toward": "Shirt", "label_doubtful": False, "nearest": (("Coat", 3),)},
            "Not called *Shirt* because of these 12 training rows; 3 of them look mislabelled. "
            "None of its 3 nearest rows is *Shirt*, its label.",
        ),
        (
            {"rows": 0, "suspicious": (), "nearest": (), "label_doubtful": False},
            "Called *Coat*, and no training row is known to have pushed it there.",
        ),
        (
            {"stands_out": False, "nearest": ()},
            "Called *Coat*; nothing stands out: no row is told from chance.",
        ),
    ],
)
def test_the_sentence_says_its_numbers(other, sentence):
    assert verdict(**other).sentence() == sentence


def test_names_are_written_as_the_screen_needs_them():
    said = verdict().sentence(lambda name: f"<{name}>")
    assert said.startswith("Called <Coat> because") and "*" not in said


@pytest.mark.parametrize("toward", ["predicted", "true"])
def test_every_number_can_be_counted_again(session, toward):
    test = session.project.dataset.split("test")
    for key in test.keys[:8]:
        item = find_item(session, "test", int(key))
        answer = explain(session, item, ExplainOptions("flipped-ridge", toward))
        found, near, _ = verdict_of(session, answer)
        asked_the_predicted = answer.label == item.predicted
        table = answer.helpful if asked_the_predicted else answer.harmful
        assert found.rows == len(table)
        doubted = doubted_rows(session)
        assert list(found.suspicious) == [k for k in table["key"] if int(k) in doubted]
        features = session.features.rows(torch.arange(90)).double().numpy()
        x = item.features.double().numpy()
        cosine = features @ x / np.linalg.norm(features, axis=1) / np.linalg.norm(x)
        labels = np.array(session.project.dataset.train.labels)[np.argsort(-cosine)[:10]]
        for number, name in enumerate(session.classes):
            assert dict(found.nearest).get(name, 0) == (labels == number).sum()
            assert near.of(number) == (labels == number).sum()
        others, own = (labels == item.predicted).sum(), (labels == item.true).sum()
        doubt = item.true != item.predicted and others >= 7 and own <= 1
        doubt = doubt and item.proba.max() >= 0.95
        assert found.label_doubtful == doubt


def test_a_training_row_is_none_of_its_own_nearest_rows(session):
    x = session.features.rows(torch.arange(90))
    for position, near in enumerate(nearest_rows(session, x, range(90), [[0, 1]] * 90, each=90)):
        assert near.total == 10
        for group in near.labelled:
            assert position not in group.positions
            assert (np.diff(group.similarity) <= 0).all()
            given = np.array(session.project.dataset.train.labels)
            assert (given[group.positions] == group.label).all()


def test_a_label_whose_rows_are_all_far_off_has_none_that_looks_like_the_row(session):
    x = session.features.rows(torch.arange(90))
    given = np.array(session.project.dataset.train.labels)
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    seen = set()
    for position, near in enumerate(nearest_rows(session, x, range(90), [[0, 1]] * 90)):
        others = np.delete(unit @ unit[position], position)
        for group in near.labelled:
            best = others[np.delete(given, position) == group.label].max()
            assert group.close == (best >= np.quantile(others, 0.95) - 1e-6)
            seen.add(group.close)
    assert seen == {True, False}


def test_a_row_that_a_reviewer_keeps_looks_mislabelled_no_more():
    install_samples(projects_home(), sample_root())
    opened = open_session(Project.open(projects_home() / "fashion"), None, "cpu")
    flagged = doubted_rows(opened)
    key, other = sorted(flagged)[:2]
    assert suspects(opened, [key, 0]) == {key}
    assert suspects(opened, [other]) == {other}  # of what has not been asked before
    assert suspects(opened) == flagged
    assert suspects(opened, [other, 0]) == {other}
    train_split = opened.project.dataset.train
    said = [
        Decision(k, int(train_split.content_hashes[train_split.position(k)]), verdict, None, label)
        for k, verdict, label in ((key, "keep", None), (other, "relabel", "Bag"))
    ]
    asked = {"run": opened.run.id}
    with closing(open_reviews(opened.project)) as store:
        store.append(Action("ann", said, opened.project.fingerprint, id="once", **asked))
        assert suspects(opened) == flagged - {key}
        store.undo("once", Action("ann", [], opened.project.fingerprint, id="back", **asked))
    assert suspects(opened) == flagged


def test_rows_that_are_not_told_from_chance_are_no_cause(session):
    item = find_item(session, "test", int(session.project.dataset.split("test").keys[0]))
    answer = explain(session, item, ExplainOptions("turnover"))
    nobody = NoiseCheck(frozenset(), {}, "")
    assert "nothing stands out" in verdict_of(session, answer, nobody)[0].sentence()
    first = NoiseCheck(frozenset({int(answer.helpful["key"][0])}), {}, "")
    assert "because of" in verdict_of(session, answer, first)[0].sentence()
