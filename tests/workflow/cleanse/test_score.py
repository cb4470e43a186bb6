"""The score that moves: measured by retraining, kept, never measured twice, told alike."""

import json
from contextlib import closing

import pytest
from tiny import dataset
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.disk.names import projects_home
from influence_core.errors import DataError, StoreError
from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.cleanse import score
from influence_core.workflow.cleanse.report_page import CleansingReport, report_html
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

WRONG = 50  # of 120 labels


@pytest.fixture
def project():
    parts = {
        name: {"text": s.texts(), "label": s.labels.tolist(), "id": s.ids}
        for name, s in dataset(120).splits.items()
    }
    parts["train"]["label"][:WRONG] = [1 - y for y in parts["train"]["label"][:WRONG]]
    built = build_dataset(parts, ["bad", "good"])
    made = Project.create(projects_home() / "noisy", "Noisy", built, "minilm")
    train(made, TrainOptions(members=2, width=32, epochs=6))
    return Project.open(made.root)


def fix(project, rows, verdict="relabel"):
    split, names = project.dataset.train, project.dataset.classes
    decisions = []
    for row in rows:
        given = int(split.labels[row])
        new = names[1 - given] if verdict == "relabel" else None
        key, hashed = int(split.keys[row]), int(split.content_hashes[row])
        decisions.append(Decision(key, hashed, verdict, names[given], new))
    action = Action("ann", decisions, project.fingerprint)
    with closing(open_reviews(project)) as store:
        store.append(action)
    return action


def undo(project, action):
    with closing(open_reviews(project)) as store:
        store.append(Action("ann", action.decisions, project.fingerprint, undoes=action.id))


def test_right_decisions_move_the_accuracy_up_and_the_measurement_is_kept(project):
    session = open_session(project)
    before = score.standing(project)
    assert (before.change, before.behind, before.fixed) == (None, 0, 0)
    assert before.accuracy == session.run.record.metrics["test_accuracy"]
    fix(project, range(WRONG))
    waiting = score.standing(project)
    assert (waiting.fixed, waiting.behind, waiting.due) == (WRONG, WRONG, True)
    point = score.measure(session)
    assert 0 < point.low < point.mean < point.high
    now = score.standing(project)
    assert (now.change, now.behind, now.due) == (point, 0, False)
    assert score.history(project) == [point]
    told = f"{100 * (point.accuracy + point.mean):.1f}\u00a0% with {WRONG} labels fixed"
    assert now.parts[0].startswith(f"{100 * point.accuracy:.1f}\u00a0% of test right → about")
    assert told in now.parts[0] or point.accuracy + point.mean > 1
    assert now.parts[2] == "not exported yet"


def test_what_was_measured_once_is_never_measured_again(project, monkeypatch):
    session = open_session(project)
    fix(project, range(20))
    first = score.measure(session)
    action = fix(project, [60], "exclude")
    assert score.standing(project).behind == 1
    assert not score.standing(project).due
    second = score.measure(session)
    assert (second.fixed, second.decided) == (21, 21)
    monkeypatch.setattr(score, "retrained", None)  # another retraining would fail
    assert score.measure(session) == second
    undo(project, action)
    assert score.standing(project).change == first
    assert score.measure(session) == first
    assert score.history(project) == [first, second]


def test_without_a_change_there_is_nothing_to_measure(project):
    fix(project, range(3), "keep")
    assert score.standing(project).behind == 0
    with pytest.raises(DataError, match="nothing to measure"):
        score.measure(open_session(project))


def test_a_damaged_file_is_a_sentence(project):
    (project.root / score.FILE).write_text('{"version": 1, "points": [{"run": 3}]}')
    with pytest.raises(StoreError, match="delete it and measure again"):
        score.standing(project)


def test_the_verb_and_the_report_tell_the_same(project):
    fix(project, range(10))
    turnover = CliRunner().invoke
    done = turnover(app, ["score", "noisy", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    [point] = score.history(project)
    assert (told["decisions"], told["fixed"]) == (point.decisions, 10)
    again = turnover(app, ["score", "noisy"])
    assert point.words in again.stdout.replace("\n", "")
    html = report_html(CleansingReport("Noisy", history=[("now", "so far", point.words)]))
    assert "How the score moved" in html
    assert point.words in html
