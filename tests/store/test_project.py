import json
import multiprocessing
import tomllib

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import dataset, project

from influence_core.errors import MismatchError, StoreError
from influence_core.store.project import Project, list_projects, projects_home
from influence_core.store.samples import install_samples


def written_run(made, rows=3):
    writer = made.new_run("head", {"a": 1}, 7, "t" * 8)
    with writer:
        writer.write_tensors({"w": torch.arange(rows)})
        writer.write_table("rows", pd.DataFrame({"x": range(rows)}))
        writer.set(metrics={"accuracy": 0.5})
    return writer.run


def test_a_project_comes_back_as_it_was_made(tmp_path):
    data = dataset(30)
    Project.create(tmp_path / "p", 'A "name" with = and \n', data, "minilm", target_split="test")
    found = Project.open(tmp_path / "p")
    assert found.name == 'A "name" with = and \n'
    assert found.settings.target_split == "test"
    assert found.fingerprint == data.fingerprint == found.dataset.fingerprint
    assert found.dataset.train.texts() == data.train.texts()
    assert np.array_equal(found.dataset.train.keys, data.train.keys)
    tomllib.loads((tmp_path / "p" / "project.toml").read_text())


def test_settings_change_on_disk_and_unknown_ones_are_refused(tmp_path):
    made = project(tmp_path / "p")
    made.with_settings(default_estimator="similarity")
    assert Project.open(made.root).settings.default_estimator == "similarity"
    with pytest.raises(StoreError, match="colour"):
        made.with_settings(colour="red")


def test_runs_are_seen_whole_or_not_at_all(tmp_path):
    made = project(tmp_path / "p")
    writer = made.new_run("head", {}, 0, "t")
    with pytest.raises(ZeroDivisionError), writer:
        writer.write_tensors({"w": torch.zeros(2)})
        raise ZeroDivisionError
    assert made.runs() == []
    run = written_run(made)
    assert [r.id for r in made.runs()] == [run.id]
    assert run.tensors()["w"].tolist() == [0, 1, 2]
    assert run.table("rows")["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["model.safetensors", "rows.parquet"])
@pytest.mark.parametrize("how", ["truncate", "flip", "empty"])
def test_a_damaged_file_of_a_run_is_named(tmp_path, name, how):
    made = project(tmp_path / "p")
    run = written_run(made)
    path = run.folder / name
    raw = path.read_bytes()
    path.write_bytes(
        {"truncate": raw[: len(raw) // 2], "flip": raw[:-1] + b"\xff", "empty": b""}[how]
    )
    with pytest.raises(StoreError, match=name):
        run.tensors() if name.startswith("model") else run.table("rows")


def test_a_damaged_record_hides_only_its_own_run(tmp_path):
    made = project(tmp_path / "p")
    good, bad = written_run(made), written_run(made)
    (bad.folder / "run.json").write_text("{")
    assert [r.id for r in made.runs()] == [good.id]
    assert list(made.damaged_runs()) == [bad.id]
    with pytest.raises(StoreError, match=r"run\.json"):
        made.run(bad.id)


def test_a_run_of_other_data_is_refused(tmp_path):
    made = project(tmp_path / "p")
    run = written_run(made)
    record = json.loads((run.folder / "run.json").read_text())
    record["fingerprint"] = "0" * 64
    (run.folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(MismatchError, match="trained on other data"):
        made.run(run.id)
    assert made.latest_run() is None


@pytest.mark.parametrize("name", ["../p", "a/b", ".hidden", "", "x" * 99])
def test_names_cannot_lead_out_of_the_project(tmp_path, name):
    with pytest.raises(StoreError, match="cannot be the name"):
        project(tmp_path / "p").run(name)


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    project(tmp_path / "p")
    with pytest.raises(StoreError):
        project(tmp_path / "p", seed=1)
    assert Project.open(tmp_path / "p").fingerprint == dataset(60).fingerprint


def test_a_table_that_was_changed_by_hand_is_refused(tmp_path):
    made = project(tmp_path / "p")
    other = project(tmp_path / "q", seed=3)
    source = other.root / "data" / "train.parquet"
    (made.root / "data" / "train.parquet").write_bytes(source.read_bytes())
    with pytest.raises(MismatchError):
        _ = Project.open(made.root).dataset


def _install(home, samples, barrier):
    barrier.wait()
    install_samples(home, samples)


def test_a_project_is_opened_by_its_name_as_on_the_command_line(monkeypatch, tmp_path):
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path))
    made = Project.create(tmp_path / "my-films", "My films", dataset(30), "minilm")
    for name in ("My films", "my-films", str(made.root)):
        assert Project.open(name) == made
    with pytest.raises(StoreError, match=r"no project 'other', .* turnover new"):
        Project.open("other")


def test_several_processes_may_install_samples_at_once(tmp_path):
    for name in ("one", "two"):
        project(tmp_path / "samples" / name, n=12)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    arguments = (tmp_path / "several", tmp_path / "samples", barrier)
    workers = [context.Process(target=_install, args=arguments) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
        assert worker.exitcode == 0
    found = list_projects(tmp_path / "several")
    assert sorted(p.root.name for p in found) == ["one", "two"]
    assert all(len(p.dataset.train) == 12 for p in found)
    assert sorted(p.name for p in (tmp_path / "several").iterdir()) == ["one", "two"]


def _features(made, **card):
    path = made.features_path("train")
    path.parent.mkdir(parents=True)
    np.save(path, np.ones((12, 4), dtype=np.float16))
    said = {"rows": 12, "done": 12, "split": "train", "dataset_fingerprint": made.fingerprint}
    path.with_suffix(".json").write_text(json.dumps(said | card))
    return path


def test_features_are_mapped_not_loaded(tmp_path):
    made = project(tmp_path / "p", n=12)
    _features(made)
    features = made.features("train")
    assert isinstance(features, np.memmap)
    assert features.dtype == np.float16
    assert not features.flags.writeable


@pytest.mark.parametrize(
    ("card", "error", "message"),
    [
        ({"dataset_fingerprint": "0"}, MismatchError, "made from other data"),
        ({"split": "test"}, MismatchError, "made from other data"),
        ({"done": 5}, StoreError, "incomplete"),
    ],
)
def test_features_of_other_data_or_half_done_are_refused(tmp_path, card, error, message):
    made = project(tmp_path / "p", n=12)
    _features(made, **card)
    with pytest.raises(error, match=message):
        made.features("train")


@pytest.mark.parametrize("keep", [0, 60, 140])
def test_a_damaged_feature_file_is_named(tmp_path, keep):
    made = project(tmp_path / "p", n=12)
    path = _features(made)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StoreError, match=r"train\.npy is damaged"):
        made.features("train")


def test_features_that_were_never_made_say_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="run training first"):
        project(tmp_path / "p", n=12).features("train")


def test_other_data_or_another_encoder_have_features_of_their_own(tmp_path):
    made = project(tmp_path / "p", n=12)
    other = project(tmp_path / "q", n=12, seed=1)
    folders = {made.features_folder("a").name, made.features_folder("b").name}
    assert len(folders | {other.features_folder("a").name}) == 3


def test_a_damaged_project_is_passed_over_in_the_list(tmp_path):
    project(tmp_path / "good", n=12)
    (project(tmp_path / "bad", n=12).root / "project.toml").write_text("name = ")
    assert [p.root.name for p in list_projects(tmp_path)] == ["good"]
    assert list_projects(tmp_path / "nowhere") == []


def test_samples_are_copied_once_and_the_copies_can_be_written(tmp_path):
    original = project(tmp_path / "samples" / "one", n=12).root
    for path in (original / "project.toml", original / "data", original):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert install_samples(tmp_path / "home", tmp_path / "samples") == ["one"]
    copy = Project.open(tmp_path / "home" / "one").with_settings(target_split="test")
    assert copy.root.stat().st_mode & 0o200
    assert install_samples(tmp_path / "home", tmp_path / "samples") == []
    assert Project.open(copy.root).settings.target_split == "test"
    assert Project.open(original).settings.target_split == "valid"
    original.chmod(0o755)
    (original / "data").chmod(0o755)


def test_home_is_where_the_environment_says(tmp_path, monkeypatch):
    assert projects_home() == tmp_path / "home"
    monkeypatch.delenv("TURNOVER_HOME")
    assert projects_home().name == "turnover"
