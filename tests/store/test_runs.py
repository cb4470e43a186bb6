"""Records, tensors and tables of runs, whole and bent."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import project

from influence_core.errors import StoreError
from influence_core.progress import Progress
from influence_core.store.runs import IsolationSummary, Run, RunRecord


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return project(tmp_path_factory.mktemp("runs") / "p", n=12)


def _run(made, **tensors) -> Run:
    writer = made.new_run("head", {"width": np.int64(4)}, seed=7, encoder_fingerprint="t", note="n")
    with writer:
        writer.write_tensors(tensors or {"w": torch.arange(3.0)})
        writer.write_table("rows", pd.DataFrame({"x": [1, 2]}))
    return writer.run


def _bent_record(run: Run, **changes) -> Run:
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return Run(RunRecord.read(path), run.folder)


def test_a_record_comes_back(made):
    run = _run(made)
    record = made.run(run.id).record
    assert record == run.record
    assert (record.kind, record.seed, record.config, record.note) == ("head", 7, {"width": 4}, "n")
    assert record.fingerprint == made.fingerprint
    assert set(record.files) == {"model.safetensors", "rows.parquet"}


def test_tensors_of_any_layout_come_back(made):
    shared = torch.arange(12.0).reshape(3, 4)
    parameter = torch.nn.Parameter(torch.ones(2))
    run = _run(made, turned=shared.T, part=shared[1], p=parameter, half=shared.half())
    found = run.tensors()
    assert torch.equal(found["turned"], shared.T)
    assert torch.equal(found["part"], shared[1])
    assert torch.equal(found["p"], torch.ones(2))
    assert found["half"].dtype == torch.float16


def test_newest_runs_stand_first(made):
    first, second = _run(made), _run(made)
    assert [record.id for record in made.runs()][:2] == [second.id, first.id]
    assert made.latest_run().id == second.id


def test_metrics_and_notes_add_up_until_the_run_is_closed(made):
    writer = made.new_run("network", {}, seed=0, encoder_fingerprint="t")
    with writer:
        writer.set(metrics={"a": 1.0})
        writer.set(metrics={"b": 2.0}, isolation=IsolationSummary("all", 1.0), note="later")
    assert writer.run.record.metrics == {"a": 1.0, "b": 2.0}
    assert writer.run.record.isolation == IsolationSummary("all", 1.0)
    assert writer.run.record.note == "later"
    with pytest.raises(StoreError, match="is not being written"):
        writer.write_tensors({})


def test_progress_is_kept(made):
    writer = made.new_run("head", {}, seed=0, encoder_fingerprint="t")
    with writer:
        writer.progress(Progress("train", 1, 2, metrics={"loss": np.float32(0.5)}))
        writer.progress(Progress("train", 2, 2))
    assert [event["done"] for event in writer.run.progress()] == [1, 2]
    assert writer.run.progress()[0]["metrics"] == {"loss": 0.5}
    assert _run(made).progress() == []


def test_tables_can_be_added_later_but_never_replace_the_runs_own(made):
    run = _run(made)
    assert not run.has_table("lds")
    for value in (1, 2):
        run.add_table("lds", pd.DataFrame({"x": [value]}))
    assert made.run(run.id).table("lds")["x"].tolist() == [2]
    with pytest.raises(StoreError, match="belongs to the run itself"):
        run.add_table("rows", pd.DataFrame({"x": [0]}))
    assert run.table("rows")["x"].tolist() == [1, 2]


def test_a_missing_table_is_named(made):
    with pytest.raises(StoreError, match=r"Cannot read .*none\.parquet: it does not exist"):
        _run(made).table("none")


@pytest.mark.parametrize("name", ["../rows", "a/b", "", ".hidden"])
def test_tables_cannot_lead_out_of_the_run(made, name):
    with pytest.raises(StoreError, match="cannot be the name of a table"):
        _run(made).table(name)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../../elsewhere"},
        {"seed": "7"},
        {"config": []},
        {"metrics": {"a": "high"}},
        {"isolation": 3},
        {"kind": "forest"},
        {"files": None},
        {"code_version": 1},
    ],
)
def test_a_bent_record_is_refused_by_name(made, changes):
    with pytest.raises(StoreError, match=r"run\.json"):
        _bent_record(_run(made), **changes)


@pytest.mark.parametrize("name", ["config", "seed", "encoder"])
def test_a_record_that_lacks_a_part_is_refused_by_name(made, name):
    file = _run(made).folder / "run.json"
    record = json.loads(file.read_bytes())
    del record[name]
    file.write_text(json.dumps(record))
    with pytest.raises(StoreError, match=rf"run\.json.*{name}"):
        RunRecord.read(file)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*RunRecord.__dataclass_fields__, "x"]), values))
def test_any_record_is_a_run_or_an_error_of_ours(made, changes):
    run = _run(made) if not made.runs() else made.run(made.runs()[0].id)
    path = run.folder / "run.json"
    before = path.read_bytes()
    try:
        _bent_record(run, **changes)
        made.runs()
    except StoreError as error:
        assert "run.json" in str(error)
    finally:
        path.write_bytes(before)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4))
def test_bent_tensors_are_tensors_or_an_error_of_ours(made, damage):
    """Even when the record does not know the file's hash."""
    run = made.run(made.runs()[0].id) if made.runs() else _run(made)
    path = run.folder / "model.safetensors"
    before = path.read_bytes()
    data = bytearray(before)
    for place, value in damage:
        data[place % len(data)] = value
    path.write_bytes(bytes(data))
    trusting = Run(RunRecord(**(vars(run.record) | {"files": {}})), run.folder)
    try:
        for tensor in trusting.tensors().values():
            assert isinstance(tensor, torch.Tensor)
    except StoreError as error:
        assert "model.safetensors" in str(error)
    finally:
        path.write_bytes(before)
