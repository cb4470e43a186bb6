"""Saved slices as lines of a trial: measured with and without the cleansed rows."""

import pytest

from influence_core.errors import StoreError
from influence_core.store.slices import (
    FOLDER,
    SavedSlice,
    delete_slice,
    save_slice,
    saved_slices,
)
from influence_core.workflow.cleanse import trials
from influence_core.workflow.cleanse.cleansings import (
    save_cleansing,
)
from influence_core.workflow.cleanse.find_harm import CleanseOptions, find_harm
from influence_core.workflow.cleanse.report import cleansing_report
from influence_core.workflow.cleanse.report_page import report_html
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.cleanse.trial import CLEANSED, NONE


@pytest.fixture
def sliced(project):
    """All of test, its two halves and a slice of train are saved."""
    test = project.dataset.split("test")
    keys = list(map(int, test.keys))
    cut = len(keys) // 3
    for name, split, held in (
        ("all <b>", "test", keys), ("one third", "test", keys[:cut]),
        ("the rest", "test", keys[cut:]), ("gone", "test", [1, 2]),
        ("of train", "train", list(map(int, project.dataset.train.keys[:9]))),
    ):  # fmt: skip
        save_slice(project.root, SavedSlice(name, split, "by hand", tuple(held)))
    yield cut / len(keys)
    for one in saved_slices(project.root):
        delete_slice(project.root, one.name)


def test_a_trial_measures_the_slices_that_are_saved(session, project, sliced):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    name = save_cleansing(session, found)
    made = trials.run_trial(session, name, seeds=3)
    assert trials.kept_trial(project, name).slices == made.slices
    every, third, rest = made.slices  # those without an item of a measured split are left out
    assert [one.name for one in made.slices] == ["all <b>", "one third", "the rest"]
    assert every.change == made.differences["test"][0]
    mean = made.table[made.table["split"] == "test"].groupby("arm")["accuracy"].mean()
    assert (every.before, every.after) == pytest.approx((mean[NONE], mean[CLEANSED]))
    assert third.items + rest.items == every.items == len(project.dataset.split("test"))
    for figure in ("before", "after"):
        parts = sliced * getattr(third, figure) + (1 - sliced) * getattr(rest, figure)
        assert parts == pytest.approx(getattr(every, figure))
    assert f"{every.items} items of test" in every.sentence()
    page = report_html(cleansing_report(project, name))
    assert "<h2>Saved slices</h2>" in page
    assert "all &lt;b&gt; (test)" in page
    assert f"{100 * third.after:.1f}" in page


def test_a_damaged_slice_is_told_before_anything_is_retrained(session, project, monkeypatch):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    save_slice(project.root, SavedSlice("bent", "test", "by hand", (1,)))
    [file] = (project.root / FOLDER).glob("*.json")
    file.write_text("{}")
    monkeypatch.setattr("influence_core.workflow.cleanse.trial.retrained", None)
    try:
        with pytest.raises(StoreError, match="save the slice again"):
            trials.run_trial(session, save_cleansing(session, found), seeds=2)
    finally:
        file.unlink()
