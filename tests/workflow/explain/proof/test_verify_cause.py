"""*Verify* for a cause: the group gets better, the rest is told, and odd questions are refused."""

import numpy as np
import pytest
from planted_cause import planted

from influence_core.errors import DataError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.explain.groups.group import Group, group_positions
from influence_core.workflow.explain.proof.verify_cause import (
    SUGGESTED,
    change_of,
    kept_causes,
    question_of,
    verify_cause,
)
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import open_session


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    project, bad = planted(tmp_path_factory.mktemp("home"))
    session = open_session(Project.open(project.root), device="cpu")
    train, test = session.project.dataset.train, session.project.dataset.split("test")
    items = test.keys[group_positions(session, Group("test", ("cat",), ("dog",)))].tolist()
    rows = train.keys[np.isin(train.ids, list(bad))].tolist()
    return session, items, rows


@pytest.mark.parametrize("fix", ["", "cat"])
def test_without_the_planted_rows_or_with_their_label_the_group_gets_better(world, fix):
    session, items, rows = world
    asked = question_of("test", items, rows, fix)
    before = kept_causes(session.project, session.run.id, asked)
    found = verify_cause(session, asked)
    assert found.helps
    group = found.group
    assert group.changed.low > 0
    assert group.beyond.low > 0
    assert group.beyond.mean == pytest.approx(group.changed.mean - group.random.mean)
    assert group.changed.pairs == group.random.pairs == group.beyond.pairs == 10
    assert "Beyond random rows: +" in found.sentence()
    assert found.group.after - found.group.before == pytest.approx(found.group.changed.mean)
    assert found.group.items + found.rest.items == len(session.project.dataset.split("test"))
    assert abs(found.rest.changed.mean) < 0.1
    said = found.sentence()
    assert said.startswith("With these 18 rows relabelled" if fix else "Without these 18 rows")
    assert f"of the {len(items)} items" in said
    again = question_of("test", items[::-1], rows[::-1], fix)
    assert kept_causes(session.project, session.run.id, again) == (found, *before)
    other = question_of("test", items[1:], rows, fix)
    assert kept_causes(session.project, session.run.id, other) == ()


def test_random_rows_are_no_cause(world):
    session, items, _ = world
    train = session.project.dataset.train
    draws = (np.random.default_rng(seed).choice(train.keys, 18, replace=False) for seed in range(4))
    found = [verify_cause(session, question_of("test", items, own.tolist())) for own in draws]
    assert sum(one.helps for one in found) <= 1


def test_only_rows_that_look_mislabelled_get_a_suggested_label(world, monkeypatch):
    session, items, rows = world
    train, bad = session.project.dataset.train, suspects(session)
    asked = question_of("test", items, train.keys.tolist(), SUGGESTED)
    if bad:
        change = change_of(session, asked)
        assert {int(train.keys[p]) for p in change.relabelled} == bad
        assert all(train.labels[p] != new for p, new in change.relabelled.items())
    none = [key for key in rows if key not in bad][:3]
    with pytest.raises(DataError, match="leave them out instead"):
        change_of(session, question_of("test", items, none, SUGGESTED))


def test_what_cannot_be_verified_is_refused_and_a_damaged_file_told(world):
    session, items, rows = world
    with pytest.raises(DataError, match="choose a group of another split"):
        verify_cause(session, question_of("train", rows[:2], rows))
    with pytest.raises(DataError, match="leave them out instead"):
        change_of(session, question_of("test", items, rows, "dog"))
    asked = question_of("test", items, rows[:4])
    verify_cause(session, asked, seeds=2)
    for path in (session.project.root / "verified").glob("*-cause-*.json"):
        path.write_text('{"version": 1}')
    with pytest.raises(StoreError, match="verify again"):
        kept_causes(session.project, session.run.id, asked)
