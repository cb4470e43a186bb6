"""Every run carries its audit; the verb prints it, and makes it where an old run has none."""

import json

import pytest
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project
from influence_core.training.networks.registry import NetworkSettings, build_network
from influence_core.workflow.session import open_session
from influence_core.workflow.train import audit as module
from influence_core.workflow.train.audit import audit_head
from influence_core.workflow.train.audit_report import audit_report
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.publish import publish


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = tiny.project(tmp_path_factory.mktemp("home") / "films", 40)
    train(made, TrainOptions(3, 32, epochs=2, device="cpu"))
    return Project.open(made.root)


def verb(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def test_a_head_run_is_audited_at_the_end_of_its_training(project):
    run = project.latest_run()
    assert run.record.isolation.isolated == 1.0
    assert run.record.isolation.headline == "100 % isolated"
    table = run.table("audit")
    assert set(table["name"]) == {"W1", "b1", "W2"}
    assert (table["read"] > 0).all()
    assert table["shared"].sum() == 0


def test_the_verb_prints_the_table_and_the_headline(project):
    done = verb(project.root)
    assert done.exit_code == 0, done.output
    assert "100 % isolated" in done.stdout
    assert "W1" in done.stdout
    said = json.loads(verb(project.latest_run().folder, "--json").stdout)
    assert said["run"] == project.latest_run().id
    assert {row["name"] for row in said["parameters"]} == {"W1", "b1", "W2"}
    assert verb(project.root, "--run", said["run"], "--json").exit_code == 0


def test_a_leaking_network_gets_its_share_and_names(tmp_path):
    project = tiny.project(tmp_path / "films", 20)
    tiny.encoder(project.root / "encoder")
    network = build_network(NetworkSettings("hf:encoder", 2, 1), root=project.root)
    network.model.requires_grad_(True)
    publish(project, network.model, network.prepare)
    found = audit_report(project)
    assert 0 < found.isolated < 1
    assert "shared by both sides" in found.headline
    assert (found.table["shared"] > 0).any()


def test_an_old_run_without_an_audit_gets_one(project, tmp_path, monkeypatch):
    old = tiny.project(tmp_path / "old", 40)
    monkeypatch.setattr(
        "influence_core.workflow.train.head.write_audit", lambda writer, found: None
    )
    run = train(old, TrainOptions(2, 32, epochs=1, device="cpu"))
    assert run.record.isolation is None
    assert not run.has_table("audit")
    found = audit_report(Project.open(old.root))
    assert found.headline == "100 % isolated"
    assert run.has_table("audit")
    assert audit_report(Project.open(old.root)).table.equals(found.table)


def test_of_a_large_head_the_first_members_stand_for_all(project, monkeypatch):
    session = open_session(project, device="cpu")
    evidence = session.evidence
    monkeypatch.setattr(module, "_ENTRIES", 1)
    found = audit_head(evidence.head, session.features, evidence.labels, evidence.keys)
    d, width = evidence.head.config.features, evidence.head.config.width
    assert found.isolated == 1.0
    assert next(row.size for row in found.rows if row.name == "W1") == d * width


def test_no_run_is_a_sentence(tmp_path):
    empty = tiny.project(tmp_path / "empty", 20)
    done = verb(empty.root)
    assert done.exit_code == 1
    assert "no trained run" in done.stderr
