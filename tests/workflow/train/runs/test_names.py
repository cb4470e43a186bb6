"""Runs by names that people read: what was trained, when, how well; never two alike."""

from dataclasses import replace

import pytest

from influence_core.store.runs import RunRecord
from influence_core.workflow.train.runs.names import run_names


def record(ident="a", created="2026-11-03T09:05:00+00:00", **other):
    config = {"head": {"members": 16, "width": 256}, "options": {"size": "standard"}}
    made = RunRecord(
        ident, created, "head", config, 0, "f", "minilm", "e",
        metrics={"valid_accuracy": 0.5, "test_accuracy": 0.894},
    )  # fmt: skip
    return replace(made, **other)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({}, "standard, 3 Nov, 89.4 %"),
        ({"metrics": {"valid_accuracy": 0.5}}, "standard, 3 Nov, 50.0 %"),
        ({"metrics": {}}, "standard, 3 Nov"),
        ({"config": {"head": {"members": 8, "width": 32}}}, "lean, 3 Nov, 89.4 %"),
        ({"config": {"head": {"members": 2, "width": 8}}}, "2 × 8, 3 Nov, 89.4 %"),
        ({"kind": "network", "config": {}}, "whole network, 3 Nov, 89.4 %"),
        ({"kind": "network", "config": {"own_model": "x"}}, "own model, 3 Nov, 89.4 %"),
        ({"kind": "network", "config": {"linear_model": True}}, "linear model, 3 Nov, 89.4 %"),
        ({"config": {}}, "head, 3 Nov, 89.4 %"),
    ],
)
def test_a_run_is_called_by_what_it_is(other, name):
    assert run_names([record(**other)])["a"].replace("\u00a0", " ") == name


def test_names_that_would_be_alike_have_the_time_and_then_the_id():
    later, same = "2026-11-03T10:00:00+00:00", "2026-11-03T10:00:30+00:00"
    runs = [record(), record("b", later), record("c", same), record("d", metrics={})]
    names = run_names(runs)
    assert len(set(names.values())) == 4
    assert names["a"].startswith("standard, 3 Nov 09:05, ")
    assert names["c"].endswith("(c)")
    assert names["d"] == "standard, 3 Nov"


def test_years_are_told_where_there_are_several():
    runs = [record(), record("b", "2025-11-03T09:05:00+00:00")]
    assert [name.split(", ")[1] for name in run_names(runs).values()] == [
        "3 Nov 2026",
        "3 Nov 2025",
    ]
