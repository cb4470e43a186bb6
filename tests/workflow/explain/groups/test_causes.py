"""Causes of a group of errors: a planted kind of wrong rows comes first and says what it is."""

import numpy as np
import pytest
from planted_cause import PHRASE, planted

from influence_core.data.keys import from_hex
from influence_core.store.project import Project
from influence_core.workflow.explain.groups.causes import (
    FEW,
    MANY,
    PART,
    causes_of,
    plain_causes,
    sorted_rows,
)
from influence_core.workflow.explain.groups.group import Group, Push, group_positions
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import open_session


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    project, bad = planted(tmp_path_factory.mktemp("home"))
    return open_session(Project.open(project.root), device="cpu"), bad


@pytest.fixture(scope="module")
def found(world):
    session, _ = world
    items = group_positions(session, Group("test", ("cat",), ("dog",)))
    return causes_of(session, "test", items)


def test_the_planted_kind_comes_first_with_its_words_and_share(world, found):
    session, bad = world
    train, first = session.project.dataset.train, found.found[0]
    ids = [train.ids[p] for p in first.positions]
    assert len(bad & set(ids)) >= 0.8 * len(ids)
    assert len(ids) >= 10
    assert train.ids[first.medoid] in ids
    assert first.labels[0][0] == "dog"
    assert any(word in PHRASE and " " in word for word in first.words)
    assert found.toward == "dog"
    said = first.sentence(found.named("*dog*"))
    assert said.startswith(f"{100 * first.share:.0f} % of the push toward *dog* comes from ")
    assert f"from {len(ids)} rows of one kind" in said


def test_shares_and_counts_are_those_of_the_push(world, found):
    session, _ = world
    score, every = found.push.score, np.concatenate([c.positions for c in found.found])
    bad, keys = suspects(session), session.project.dataset.train.keys
    for cause in found.found:
        assert cause.share == pytest.approx(score[cause.positions].sum() / found.push.total)
        assert sum(n for _, n in cause.labels) == len(cause)
        assert (np.diff(score[cause.positions]) <= 0).all()
        assert set(cause.suspicious) == {int(keys[p]) for p in cause.positions} & bad
    rows, share = found.rest
    assert rows == (score > 0).sum() - len(every)
    assert share == pytest.approx(1 - score[every].sum() / found.push.total, abs=1e-5)
    assert set(every) <= set(sorted_rows(found.push))


@pytest.mark.parametrize(
    ("score", "wanted"),
    [
        (np.ones(1000), MANY),
        (np.ones(90), 45),
        (np.r_[np.full(3, 100.0), np.ones(200)], FEW),
        (np.r_[np.ones(7), -np.ones(50)], 7),
        (-np.ones(20), 0),
    ],
)
def test_the_rows_that_are_sorted_made_half_of_the_push(score, wanted):
    push = Push("test", np.array([0]), np.array([0]), score.astype(np.float32), "flipped-ridge")
    rows = sorted_rows(push)
    assert len(rows) == wanted
    assert (score[rows] > 0).all()
    if FEW < wanted < MANY:
        assert score[rows].sum() >= PART * push.total > score[rows[:-1]].sum()


def test_json_says_what_the_causes_say(world, found):
    session, _ = world
    told = plain_causes(session, found, top=3)
    train = session.project.dataset.train
    assert told["items"] == len(found.push.items)
    for one, cause in zip(told["causes"], found.found, strict=True):
        assert one["rows"] == len(cause)
        places = [train.position(from_hex(row["key"])) for row in one["strongest"]]
        assert places == cause.positions[:3].tolist()
        assert one["strongest"][0]["text"] == train.texts([places[0]])[0]
        assert one["medoid"]["id"] == train.ids[cause.medoid]


def test_a_group_of_several_predictions_is_named_so(world):
    session, _ = world
    items = group_positions(session, Group("test", right=True))
    found = causes_of(session, "test", items)
    assert found.toward == ""
    assert "toward these predictions comes" in found.found[0].sentence(found.named(""))
    assert plain_causes(session, found, 1)["toward"] is None
