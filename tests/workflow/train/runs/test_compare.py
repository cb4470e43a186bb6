from math import comb

import pytest
from tiny import project

from influence_core.errors import DataError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.runs.compare import compare_runs, splits_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    poor = train(made, TrainOptions(members=1, width=2, epochs=1, seed=5))
    good = train(made, TrainOptions(members=4, width=64, epochs=10))
    return Project.open(made.root), poor.id, good.id


def test_changes_are_those_of_the_obvious_loop(trained):
    made, poor, good = trained
    found = compare_runs(made, poor, good, "test")
    before, after = (made.run(name).table("pred-test").set_index("key") for name in (poor, good))
    fixed, broken = set(), set()
    for key, row in before.iterrows():
        was = row["predicted"] == row["label"]
        now = after.loc[key, "predicted"] == row["label"]
        if was != now:
            (fixed if now else broken).add(key)
    table = found.changed
    assert set(table.loc[table["change"] == "fixed", "key"]) == fixed
    assert set(table.loc[table["change"] == "broken", "key"]) == broken
    assert (found.fixed, found.broken) == (len(fixed), len(broken))
    assert fixed, "the poor run must be poor, else nothing is tested"
    assert found.second_right - found.first_right == len(fixed) - len(broken)
    assert found.items == len(before)


def test_the_p_value_is_that_of_coins(trained):
    made, poor, good = trained
    found = compare_runs(made, poor, good, "test")
    n, k = found.fixed + found.broken, min(found.fixed, found.broken)
    tail = sum(comb(n, i) for i in range(k + 1)) / 2**n
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))
    assert ("beyond chance" in found.sentence) == (found.p_value < 0.05)


def test_the_order_of_the_runs_turns_every_change_round(trained):
    made, poor, good = trained
    there, back = compare_runs(made, poor, good, "test"), compare_runs(made, good, poor, "test")
    assert (there.fixed, there.broken) == (back.broken, back.fixed)
    assert there.p_value == back.p_value
    assert set(there.changed["key"]) == set(back.changed["key"])


def test_a_run_beside_itself_changes_nothing(trained):
    made, _, good = trained
    found = compare_runs(made, good, good, "test")
    assert found.p_value == 1.0
    assert found.changed.empty
    assert "Both runs" in found.sentence


def test_what_cannot_be_compared_is_named(trained):
    made, poor, good = trained
    assert splits_of(made, poor, good) == ["valid", "test"]
    with pytest.raises(DataError, match="'train'"):
        compare_runs(made, poor, good, "train")
    with pytest.raises(StoreError, match="no run"):
        compare_runs(made, poor, "nothing", "test")
