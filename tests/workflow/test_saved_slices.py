"""Runs on the same saved slices: figures of all runs, and two of them compared."""

import pytest
from tiny import project

from influence_core.store.project import Project
from influence_core.store.slices import SavedSlice, save_slice
from influence_core.workflow.session import open_session
from influence_core.workflow.slices.saved import kept_slices, slices_of_runs
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.runs.compare import compare_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs, one of which has hardly learned."""
    tiny = project(tmp_path_factory.mktemp("home") / "tiny", 90)
    runs = [
        train(tiny, TrainOptions(members=1, width=8, epochs=epochs, device="cpu")).id
        for epochs in (1, 6)
    ]
    tiny = Project.open(tiny.root)
    test = list(map(int, tiny.dataset.split("test").keys))
    for name, split, keys in (
        ("every", "test", test), ("few", "test", test[:7]), ("none", "test", [1]),
        ("train", "train", list(map(int, tiny.dataset.train.keys[:9]))),
    ):  # fmt: skip
        save_slice(tiny.root, SavedSlice(name, split, "by hand", tuple(keys)))
    return tiny, runs


def test_a_slice_of_all_items_is_the_comparison_of_the_split(made):
    tiny, runs = made
    slices = {one.kept.name: one for one in slices_of_runs(tiny, runs)}
    assert set(slices) == {"every", "few", "none"}  # no run keeps predictions of train
    found, every = compare_runs(tiny, *runs, "test"), slices["every"]
    assert every.items == found.items
    assert [every.right[run] for run in runs] == [found.first_right, found.second_right]
    assert every.changed == (found.fixed, found.broken)
    assert every.changed != (0, 0)
    assert every.chance == found.p_value
    assert slices["none"].items == 0


def test_each_run_has_what_it_has_by_itself(made):
    tiny, runs = made
    for run in runs:
        alone = {one.kept.name: one for one in kept_slices(open_session(tiny, run, "cpu"))}
        for one in slices_of_runs(tiny, runs):
            assert one.items == alone[one.kept.name].labelled
            assert one.right[run] == one.items - alone[one.kept.name].wrong


def test_one_run_and_a_run_without_predictions_are_not_compared(made):
    tiny, runs = made
    assert {one.changed for one in slices_of_runs(tiny, runs[:1])} == {None}
    (tiny.run(runs[0]).folder / "pred-test.parquet").rename(tiny.root / "aside")
    try:
        for one in slices_of_runs(tiny, runs):
            assert set(one.right) == {runs[1]}
            assert one.changed is None
    finally:
        (tiny.root / "aside").rename(tiny.run(runs[0]).folder / "pred-test.parquet")
