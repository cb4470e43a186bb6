"""*Verify*: as many rows as are expected to change the prediction, one bar, and it is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import project

from influence_core.errors import DataError, StoreError
from influence_core.evaluation.retrain import label_losses, retrain, without
from influence_core.workflow.evaluate.work import recipe
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, own_item
from influence_core.workflow.explain.proof.fewest import replayed_strengths
from influence_core.workflow.explain.proof.prove import smallest_flip
from influence_core.workflow.explain.proof.verify import (
    FOLDER,
    Question,
    Verified,
    flipping_size,
    kept_verified,
    key_of,
    verify,
)
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

RIDGE = Question("flipped-ridge")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=4, width=64, epochs=8))
    return open_session(type(made).open(made.root))


@pytest.fixture(scope="module")
def item(session):
    return find_item(session, "test", int(session.project.dataset.split("test").keys[0]))


def test_it_leaves_out_the_top_of_the_list_and_is_found_again(session, item):
    events = []
    found = verify(session, item, RIDGE, 5, progress=events.append)
    table = explain(session, item, ExplainOptions("flipped-ridge")).helpful
    assert list(found.keys) == table["key"].tolist()[:5]
    assert "these 5 rows" in found.sentence and "of 10 retrainings" in found.sentence
    done = [event.done for event in events]
    assert {(event.stage, event.total) for event in events} == {("verify", 100)}
    assert done == sorted(done) and done[-1] == 100
    again = kept_verified(session.project, session.run.id, item.key, [RIDGE])
    assert isinstance(again, Verified)
    assert again.keys == found.keys and again.sentence == found.sentence
    assert again.table.equals(found.table)
    other = Question("flipped-ridge", side="harmful")
    assert kept_verified(session.project, session.run.id, item.key, [other]) is None
    assert kept_verified(session.project, session.run.id, item.key + 1, [RIDGE]) is None


def test_without_a_number_it_begins_at_what_is_expected(session, item):
    found = verify(session, item, RIDGE)
    assert len(found.keys) == (found.expected or 45)
    newest = kept_verified(session.project, session.run.id, item.key, [RIDGE])
    assert newest.keys == found.keys


def test_the_search_and_a_replay_keep_what_they_found(session, item):
    smallest = Question("replay", smallest=True)
    found = verify(session, item, smallest)
    assert found.changed == bool(found.keys) == (found.table is not None)
    again = kept_verified(session.project, session.run.id, item.key, [smallest])
    assert (again.table is None) == (found.table is None)
    told = verify(session, item, Question("replay"), 3).this_model
    assert told.label == session.classes[item.predicted]
    assert told.before == pytest.approx(float(item.proba.max()), abs=0.02)


def test_the_strengths_of_an_adaptive_search_are_a_replay_without_the_rows_that_are_gone(
    session, item
):
    """Against the change of the loss when one more row is left out, retrained."""
    label = item.predicted
    strengths = replayed_strengths(session, item, label, "helpful", "all")
    goal = session.targets(item.features[None], torch.tensor([label]))
    whole = session.prepared("replay").query(goal).scores(slice(0, 90)).scores[0].numpy()
    assert np.allclose(strengths(np.array([], np.int64)), whole, atol=1e-6)
    gone = np.argsort(-whole)[:20]
    after = strengths(gone)
    assert not after[gone].any()
    made, more = recipe(session), np.setdiff1d(np.arange(90), gone)
    removed = [gone, *(np.append(gone, row) for row in more)]
    rows = replace(made.rows, weights=without(90, removed))
    seen = retrain(rows, made.config, made.training, item.features[None])
    losses = label_losses(seen, np.array([label]))[:, 0]
    again, before = (np.corrcoef(s[more], losses[1:] - losses[0])[0, 1] for s in (after, whole))
    assert again > 0.9 and again > before
    harmful = replayed_strengths(session, item, label, "harmful", "predicted")(gone)
    own = session.evidence.labels.numpy() == label
    assert np.allclose(harmful[own], -after[own]) and not harmful[~own].any()


def test_an_adaptive_set_is_no_larger_than_the_list_needs(session, item):
    found = verify(session, item, Question("replay", smallest=True))
    keys = explain(session, item, ExplainOptions("replay", k=500)).helpful["key"].to_numpy()
    static = smallest_flip(session, item, keys[:45])
    assert static.smallest is None or 0 < len(found.keys) <= static.smallest
    if found.keys:
        assert f"Leaving out {len(found.keys)} rows changes the prediction." in found.sentence


def test_the_expected_size_is_where_the_probability_falls_below_the_next(session, item):
    answer = explain(session, item, ExplainOptions("replay", k=40))
    log_proba = np.log(np.full(4, float(item.proba.max())))
    none, all_of_it = np.zeros((4, 40)), np.full((4, 40), 50.0)
    assert flipping_size(session, item, answer.label, log_proba, none) is None
    assert flipping_size(session, item, answer.label, log_proba, all_of_it) == 1
    late = np.zeros((4, 40))
    late[:, 6] = 50.0
    assert flipping_size(session, item, answer.label, log_proba, late) == 7


def test_a_damaged_outcome_says_what_to_do(session, item):
    verify(session, item, RIDGE, 2)
    (path,) = [
        path
        for path in (session.project.root / FOLDER).glob("*.json")
        if json.loads(path.read_text())["question"]["estimator"] == "flipped-ridge"
    ]
    path.write_text('{"version": 1, "sentence": 3}')
    with pytest.raises(StoreError, match="delete it and verify again"):
        kept_verified(session.project, session.run.id, item.key, [RIDGE])
    path.unlink()


def test_an_item_of_ones_own_is_verified_and_found_again_by_its_content(session):
    own = own_item(session, "a lovely warm film")
    found = verify(session, own, RIDGE, 3)
    assert "these 3 rows" in found.sentence and len(found.keys) == 3
    same = own_item(session, "a lovely warm film")
    again = kept_verified(session.project, session.run.id, key_of(same), [RIDGE])
    assert again.sentence == found.sentence
    other = own_item(session, "a lovely cold film")
    assert kept_verified(session.project, session.run.id, key_of(other), [RIDGE]) is None
    with pytest.raises(DataError, match="neither a key nor content"):
        key_of(replace(own, content=None))
