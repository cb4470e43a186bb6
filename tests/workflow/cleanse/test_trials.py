import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from resuming import counted

from influence_core.cleansing.choose import Rule
from influence_core.disk.atomic import read_json, write_json, write_text
from influence_core.errors import CancelledError, DataError, StoreError
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.cleanse import trials
from influence_core.workflow.cleanse.cleansings import (
    list_cleansings,
    load_cleansing,
    save_cleansing,
)
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.cleanse.find_harm import DECISIONS, CleanseOptions, find_harm
from influence_core.workflow.cleanse.report import cleansing_report
from influence_core.workflow.cleanse.report_page import report_html
from influence_core.workflow.cleanse.target_split import TargetSplit, target_items


def decide(project, position, verdict, new=None, content_hash=None, who="ann"):
    train_split = project.dataset.train
    key = int(train_split.keys[position])
    hashed = int(train_split.content_hashes[position]) if content_hash is None else content_hash
    old = project.dataset.classes[train_split.labels[position]]
    with closing(open_reviews(project)) as store:
        store.append(Action(who, [Decision(key, hashed, verdict, old, new)], project.fingerprint))


def other(project, position):
    return project.dataset.classes[1 - project.dataset.train.labels[position]]


def test_decisions_become_edits_and_only_those_that_count(project):
    decide(project, 3, "relabel", other(project, 3))
    decide(project, 5, "exclude")
    decide(project, 7, "keep")
    decide(project, 8, "unsure")
    decide(project, 9, "exclude", content_hash=1)  # the content was another one
    decide(project, 10, "exclude")
    decide(project, 10, "keep", who="bob")  # disputed
    edits, kept = decided_edits(project)
    train_split = project.dataset.train
    assert [(e.key, e.action, e.new_label, e.who) for e in edits] == [
        (int(train_split.keys[3]), "relabel", other(project, 3), "ann"),
        (int(train_split.keys[5]), "remove", None, "ann"),
    ]
    assert kept == {int(train_split.keys[7])}


def test_a_persons_word_wins_over_scores(session, project):
    plain = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    first, second = (
        int(project.dataset.train.positions_of(np.array([e.key], np.uint64))[0])
        for e in plain.computed[:2]
    )
    decide(project, first, "keep")
    decide(project, second, "relabel", other(project, second))
    both = find_harm(
        session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1, decisions=True)
    )
    edits = {e.key: e for e in both.edits()}
    keys = project.dataset.train.keys
    assert int(keys[first]) not in edits
    assert edits[int(keys[second])].action == "relabel"
    assert len(edits) == len(plain.edits()) - 1
    only = find_harm(session, CleanseOptions(TargetSplit("valid"), by=DECISIONS))
    assert [e.key for e in only.edits()] == [int(keys[second])]


def test_every_round_is_kept_and_can_be_taken(session, project):
    found = find_harm(
        session, CleanseOptions(TargetSplit("valid"), drop=0.1, step=0.05, patience=0)
    )
    name = save_cleansing(session, found)
    assert load_cleansing(project, name) == found
    assert list_cleansings(project)[0] == name
    sizes = [len(found.edits(state.number)) for state in found.rounds]
    assert sizes == [state.removed for state in found.rounds]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    assert len(found.edits()) == sizes[found.taken]
    with pytest.raises(DataError, match="no 99"):
        found.edits(99)


def test_rules_of_one_shot_join_to_their_union(session):
    few = CleanseOptions(TargetSplit("valid"), by="count", drop=3)
    many = CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1)
    both = replace(few, also=(Rule("fraction", 0.1), Rule("count", 5)))
    found = find_harm(session, both)
    alone = [{e.key for e in find_harm(session, q).computed} for q in (few, many)]
    assert {e.key for e in found.computed} == alone[0] | alone[1]
    assert len(alone[0]) < len(found.computed)
    assert found.by == "count or fraction"
    with pytest.raises(DataError, match="one shot only"):
        find_harm(session, replace(both, by="rounds", drop=0.1))


def test_a_trial_is_kept_and_comes_back_equal(session, project):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    name = save_cleansing(session, found)
    assert trials.kept_trial(project, name) is None
    made = trials.run_trial(session, name, seeds=2)
    kept = trials.kept_trial(project, name)
    assert kept.verdicts == made.verdicts
    assert kept.differences == made.differences
    np.testing.assert_allclose(kept.table["accuracy"], made.table["accuracy"])


def test_a_sweep_keeps_each_share_and_goes_on_where_it_was_stopped(session, project, monkeypatch):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.2))
    name = save_cleansing(session, found)
    real, calls = trials.trial, []

    def counted(*args, **kwargs):
        calls.append(len(args[1]))
        if len(calls) == 2:
            raise CancelledError("stopped")
        return real(*args, **kwargs)

    monkeypatch.setattr(trials, "trial", counted)
    with pytest.raises(CancelledError):
        trials.run_sweep(session, name, (0.05, 0.1, 0.15), seeds=2)
    assert trials.kept_sweep(project, name)["share"].unique().tolist() == [0.05]
    table = trials.run_sweep(session, name, (0.05, 0.1, 0.15), seeds=2)
    assert calls == [6, 12, 12, 18]
    assert sorted(table["share"].unique()) == [0.05, 0.1, 0.15]
    assert set(table["split"]) == {"valid", "test"}


def swept(session, name, seeds, shares=(0.05, 0.1)):
    return trials.run_sweep(session, name, shares, seeds=seeds)


def test_a_sweep_with_more_retrainings_is_not_mixed_with_the_one_before(session, project):
    """B10: the accuracy of a share was the mean over both sweeps."""
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    name, other = save_cleansing(session, found), save_cleansing(session, found)
    swept(session, name, 2)
    table = swept(session, name, 3)
    assert not table.duplicated(["split", "arm", "share"]).any()
    pd.testing.assert_frame_equal(table, swept(session, other, 3))
    swept(session, name, 2, (0.05,))  # and one that was stopped after its first share
    assert trials.kept_sweep(project, name)["share"].unique().tolist() == [0.05]


@pytest.mark.parametrize("change", ["run", "code", "splits"])
def test_shares_of_another_run_code_or_split_are_measured_again(session, monkeypatch, change):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    name = save_cleansing(session, found)
    swept(session, name, 2)
    measured = counted(monkeypatch, trials, "trial")
    swept(session, name, 2)
    assert not measured
    if change == "code":
        monkeypatch.setattr(trials, "of_code", lambda: "other")
    elif change == "splits":
        monkeypatch.setattr(trials, "need_labelled_splits", lambda project, what: ["test"])
    else:
        record = replace(session.run.record, id="other")
        session = replace(session, run=replace(session.run, record=record))
    swept(session, name, 2, (0.05,))
    assert len(measured) == 1


def test_a_sweep_of_an_earlier_version_shows_its_last_number_of_retrainings(session, project):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    name = save_cleansing(session, found)
    path = trials.results_folder(project, name) / trials.SWEEP
    swept(session, name, 2, (0.05,))
    few = read_json(path)["shares"]["0.05"]
    table = swept(session, name, 3)
    many = read_json(path)["shares"]
    write_json(path, {"0.05/2": few, **{f"{share}/3": value for share, value in many.items()}})
    pd.testing.assert_frame_equal(trials.kept_sweep(project, name), table)
    pd.testing.assert_frame_equal(swept(session, name, 3), table)


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 2}', '{"a/b": {}}', '{"version": 3}'])
def test_a_damaged_sweep_is_one_sentence_and_swept_again(session, project, content):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="fraction", drop=0.1))
    name = save_cleansing(session, found)
    path = trials.results_folder(project, name) / trials.SWEEP
    write_text(path, content)
    with pytest.raises(StoreError, match=r"sweep\.json"):
        trials.kept_sweep(project, name)
    assert len(swept(session, name, 2, (0.05,)))


def test_a_sweep_wider_than_the_list_says_what_to_do(session):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="count", drop=2))
    name = save_cleansing(session, found)
    with pytest.raises(DataError, match="larger --drop"):
        trials.run_sweep(session, name, (0.5,))


def test_a_damaged_result_is_one_sentence(session, project):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), by="count", drop=2))
    name = save_cleansing(session, found)
    path = project.root / "cleansings" / name / "trial-all.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"table": {"arm": ["none"]}}))
    with pytest.raises(StoreError, match="damaged"):
        trials.kept_trial(project, name)


def test_the_report_holds_what_was_measured_and_escapes_what_is_data(session, project):
    found = find_harm(
        session, CleanseOptions(TargetSplit("valid", "~film"), by="fraction", drop=0.05)
    )
    name = save_cleansing(session, found)
    assert "Not tried yet" in report_html(cleansing_report(project, name))
    trials.run_trial(session, name, seeds=2)
    trials.run_sweep(session, name, (0.02, 0.05), seeds=2)
    page = report_html(cleansing_report(project, name))
    assert "points of accuracy on" in page
    assert "This split chose the rows" in page
    assert "How much to remove" in page
    assert found.computed[0].id in page


def test_slices_are_cut_by_text_and_by_a_column(session):
    test = session.project.dataset.split("test")
    by_text = target_items(session, TargetSplit("test", "~FILM"))
    wanted = [i for i, text in enumerate(test.texts()) if "film" in text]
    assert by_text.positions.tolist() == wanted
    by_column = target_items(session, TargetSplit("test", "source=book"))
    assert by_column.positions.tolist() == list(range(0, len(test), 3))
    with pytest.raises(DataError, match="column=value"):
        target_items(session, TargetSplit("test", "nothing=book"))
