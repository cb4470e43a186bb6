"""Every page opens on a network run, as on any other; what it cannot serve is listed with why."""

from pathlib import Path

import tiny
from errors_page import influences
from streamlit.testing.v1 import AppTest

from influence_core.store.evaluations import EvaluationRecord, write_evaluation
from influence_core.store.project import Project, projects_home
from influence_core.training.networks.registry import NetworkSettings, build_network
from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.train.network import NetworkOptions, train_network
from influence_core.workflow.train.publish import publish

APP = Path(__file__).resolve().parents[2] / "app.py"


def films(rows=66):
    project = tiny.project(projects_home() / "films", rows)
    tiny.encoder(project.root / "encoder")
    return project


def opened(item=None, **switches):
    test = AppTest.from_file(str(APP), default_timeout=600)
    for name, value in {"project": "films", **switches}.items():
        test.session_state[name] = value
    if item is not None:
        test.query_params["item"] = item
    return test


def test_all_pages_open_and_turn_over_is_the_general_scan():
    project = films()
    training = NetworkTraining(epochs=1, batch=16, watch="nothing", device="cpu")
    train_network(project, NetworkOptions("encoder", 1, training=training))
    key = f"{int(project.dataset.split('test').keys[0]):016x}"
    page = opened(key, estimator="turnover").run()
    assert not page.exception
    assert not page.error
    told = [c.value for c in page.caption]
    assert any("rows scored on" in c for c in told)
    assert sum("+" in told for told in influences(page)) == 12
    assert any("Not for this run" in c and "whole network" in c for c in told)
    for name in ("projects", "labels", "cleanse", "trust"):
        page.switch_page(f"pages/{name}.py").run()
        assert not page.exception, name
        assert not page.error, name


BLEND = {"combined": {"weights": {"turnover": 0.5, "similarity": 0.5}}}


def test_no_default_of_the_project_closes_a_page_of_a_run_that_cannot_serve_it():
    project = films()
    training = NetworkTraining(epochs=1, batch=16, watch="nothing", device="cpu")
    run = train_network(project, NetworkOptions("encoder", 1, training=training))
    write_evaluation(project.root, EvaluationRecord(run.id, "2026-01-01", settings=BLEND))
    key = f"{int(project.dataset.split('test').keys[0]):016x}"
    for default in ("gradient", "turnover", "combined", "of a later version"):
        project.with_settings(default_estimator=default)
        page = opened(key).run()
        for name in ("errors", "labels", "cleanse", "trust", "runs"):
            page.switch_page(f"pages/{name}.py").run()
            assert not page.exception, (default, name)
            assert not page.error, (default, name, page.error[0].value)


def test_all_pages_open_on_the_whole_network_that_fashion_ships():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "fashion"
    test.run()  # copies the samples
    runs = Project.open(projects_home() / "fashion").runs()
    record = next(record for record in runs if record.kind == "network")
    assert record.trained.startswith("vgg:24,M,32")  # not the project's encoder
    whole = record.id
    test.session_state["run"] = whole
    test.run()
    for name in ("errors", "labels", "cleanse", "trust", "runs", "projects"):
        test.switch_page(f"pages/{name}.py").run()
        assert not test.exception, name
        assert not test.error, name
        assert test.session_state["run"] == whole


def test_a_network_of_somebody_elses_lists_turn_over_as_not_available():
    project = films(30)
    network = build_network(NetworkSettings("hf:encoder", 2), root=project.root)
    publish(project, network.model, network.prepare)
    key = f"{int(project.dataset.split('test').keys[0]):016x}"
    page = opened(key).run()
    assert not page.exception
    assert not page.error
    told = [c.value for c in page.caption]
    assert any("Not for this run: Turn-over dropout" in c and "author" in c for c in told)
    assert any("rows scored on" in c for c in told)


def test_a_run_that_learned_nothing_says_so_on_runs_and_labels():
    project = films(30)
    network = build_network(NetworkSettings("hf:encoder", 2), root=project.root)
    run = publish(project, network.model, network.prepare)
    assert "cannot be told from guessing" in run.record.finding
    page = opened(run=run.id).run()
    for name in ("runs", "labels"):
        page.switch_page(f"pages/{name}.py").run()
        assert not page.exception, name
        assert sum("guessing" in w.value for w in page.warning) == 1
    page.switch_page("pages/errors.py").run()
    assert not page.exception
