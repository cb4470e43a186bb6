import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from resuming import counted
from tiny import project

from influence_core.errors import CancelledError, DataError, ModelError, StoreError
from influence_core.evaluation import retrain
from influence_core.evaluation.change import predicted_change
from influence_core.evaluation.choose import best_estimator
from influence_core.influence import DEFAULT_ESTIMATOR, ESTIMATORS
from influence_core.store.evaluations import FILE, read_evaluation, write_evaluation
from influence_core.store.project import Project
from influence_core.workflow.evaluate import default, stand_in
from influence_core.workflow.evaluate.changes import calibration_of
from influence_core.workflow.evaluate.evaluate import STAGES, EvaluateOptions, evaluate
from influence_core.workflow.evaluate.work import Work, choose_targets
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.proof.change import expected_change, sentence
from influence_core.workflow.explain.proof.prove import Expected, prove, smallest_flip
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

SMALL = EvaluateOptions(targets=3, subsets=12, same=4, planted=0.2)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=3))
    session = open_session(Project.open(made.root))
    seen = []
    return session, evaluate(session, SMALL, progress=seen.append), seen


@pytest.fixture(scope="module")
def item(world):
    session = world[0]
    return find_item(session, "test", int(session.project.dataset.split("test").keys[0]))


def test_every_stage_leaves_its_table_with_the_run(world):
    session, report, _ = world
    for name in (
        "lds",
        "estimators",
        "same",
        "same-estimators",
        "changes",
        "removal",
        "qld",
        "loo",
        "planted",
    ):
        stored = session.run.table(f"eval-{name}")
        assert len(stored) == len(report.tables[name]) > 0
    assert set(report.tables["estimators"]["estimator"]) == {*ESTIMATORS, "ceiling"}
    assert set(report.record.checks) == {"null", "isolation", "smoothness"}
    assert report.record.checks["isolation"].passed


def test_by_few_items_no_estimator_takes_the_place_of_the_default_and_it_says_why(world):
    session, report, _ = world
    record = read_evaluation(session.project.root)
    assert Project.open(session.project.root).settings.default_estimator == ""
    assert record.estimator == DEFAULT_ESTIMATOR
    assert record.reason.startswith("agreement with retraining ")
    count = len(choose_targets(session, SMALL)[2])
    few = f"{count} items are too few to tell whether another is better, take 50"
    assert record.reason.endswith(few)
    assert "for this model without some rows" in record.reason
    assert "for models trained like it" in record.reason
    for question in ("same", "lds"):
        table = report.tables[question]
        own = table[table["estimator"] == record.estimator].groupby(["kind", "key"])["lds"].mean()
        assert record.figures[question] == pytest.approx(own.mean())


def test_by_enough_items_the_best_measured_one_is_named(world, monkeypatch):
    session, report, _ = world
    monkeypatch.setattr(default, "FEWEST", 1)
    work = Work(session, SMALL, *choose_targets(session, SMALL), None, None)
    work.settings = dict(report.record.settings)
    default.choose_default(work)
    able = [name for name in ESTIMATORS if name != "combined" or len(default._blend(work)) > 1]
    found = [default._by_estimator(report.tables[name]) for name in ("same", "lds")]
    assert work.estimator == best_estimator(found, able)
    assert "too few" not in work.reason


def test_this_model_is_retrained_from_its_own_start_and_replay_tells_it(world):
    session, report, _ = world
    found = report.tables["same-estimators"]
    assert set(found["estimator"]) == set(ESTIMATORS) and set(found["dropped"]) == {0.01, 0.1}
    changes = report.tables["changes"]
    assert len(changes) == report.tables["lds"]["key"].size // (len(ESTIMATORS) + 1)
    assert set(changes["removed"]) == {9}
    assert np.corrcoef(changes["predicted"], changes["actual"])[0, 1] > 0.9
    known = calibration_of(session.run)
    assert known.count == changes["key"].nunique() and 0.5 < known.slope < 2
    assert report.record.figures["change_slope"] == pytest.approx(known.slope)


def test_smoothness_is_a_check_with_its_figure(world):
    record = world[1].record
    check = record.checks["smoothness"]
    assert check.passed == (record.figures["smoothness"] >= 0.9)
    assert f"a correlation of {record.figures['smoothness']:.2f}" in check.text


def test_the_query_loss_difference_stands_for_every_estimator_and_kind_of_item(world):
    table = world[1].tables["qld"]
    assert set(table["estimator"]) == set(ESTIMATORS) - {"combined"}
    assert set(table["removed"]) == {1}
    columns = [f"{what}_{kind}" for what in ("qld", "half") for kind in ("misclassified", "random")]
    assert np.isfinite(table[columns].to_numpy()).all()


def test_both_together_are_asked_by_the_queries_of_their_parts(world):
    session = world[0]
    options = EvaluateOptions(targets=2)
    work = Work(session, options, *choose_targets(session, options), None, None)
    made = ESTIMATORS["together"].prepare(session.evidence).query(work.targets)
    n = len(session.evidence)
    mine = work.query("together").scores(slice(0, n)).scores
    assert np.allclose(mine.numpy(), made.scores(slice(0, n)).scores.numpy(), atol=1e-5)


def test_a_default_needs_the_questions_that_were_measured_before_too(world):
    """Measured apart, the second stage takes the first one's table from the run."""
    session, report, _ = world
    again = evaluate(session, replace(SMALL, what=("same",)))
    assert again.record.estimator == report.record.estimator
    assert again.record.reason == report.record.reason


def test_chosen_settings_are_what_later_questions_use(world, item):
    session, report, _ = world
    strength = report.record.settings["flipped-ridge"]["strength"]
    fresh = open_session(Project.open(session.project.root))
    entry = ESTIMATORS["flipped-ridge"]
    goal = fresh.targets(item.features[None], fresh.evidence.labels[:1])
    mine = fresh.prepared("flipped-ridge").query(goal).scores(slice(0, 90)).scores
    asked = entry.prepare(fresh.evidence, {"strength": strength}).query(goal)
    assert np.array_equal(mine.numpy(), asked.scores(slice(0, 90)).scores.numpy())


def test_an_open_session_takes_over_settings_that_an_evaluation_chooses(world, item):
    session = open_session(Project.open(world[0].project.root))
    record = read_evaluation(session.project.root)
    before = session.prepared("flipped-ridge")
    assert session.prepared("flipped-ridge") is before
    other = {**record.settings, "flipped-ridge": {"strength": 77.0}}
    write_evaluation(session.project.root, replace(record, settings=other))
    try:
        goal = session.targets(item.features[None], session.evidence.labels[:1])
        after = session.prepared("flipped-ridge").query(goal).scores(slice(0, 90)).scores
        asked = ESTIMATORS["flipped-ridge"].prepare(session.evidence, {"strength": 77.0})
        assert np.array_equal(after.numpy(), asked.query(goal).scores(slice(0, 90)).scores.numpy())
    finally:
        write_evaluation(session.project.root, record)


def test_progress_names_the_stages(world):
    stages = [event.stage for event in world[2]]
    assert {"halves", "ceiling", "score", "removal", "loo", "planted"} <= set(stages)


def test_a_second_evaluation_keeps_what_it_did_not_measure(world):
    session, report, _ = world
    again = evaluate(session, EvaluateOptions(what=("null",), targets=3))
    assert again.record.estimator == report.record.estimator
    assert again.record.settings == json.loads(json.dumps(report.record.settings))
    assert again.record.checks["null"] == report.record.checks["null"]


def test_finished_retrainings_are_not_repeated(world, monkeypatch):
    session, report, _ = world
    trained = counted(monkeypatch, retrain, "fit_heads")
    again = evaluate(session, EvaluateOptions(what=("lds",), targets=3, subsets=12))
    assert not trained
    assert again.tables["lds"]["lds"].tolist() == pytest.approx(
        report.tables["lds"]["lds"].tolist(), nan_ok=True
    )


def test_a_killed_evaluation_goes_on_after_its_last_finished_stage(world, monkeypatch):
    """The process dies in the third stage; the next call measures only what is missing."""
    session = world[0]
    options = EvaluateOptions(what=("removal", "loo", "planted"), targets=3, subsets=12, seed=4)

    def power_cut(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("influence_core.workflow.evaluate.evaluate.planted_noise", power_cut)
        with pytest.raises(KeyboardInterrupt):
            evaluate(session, options)
    seen = []
    report = evaluate(session, options, progress=seen.append)
    assert {event.stage for event in seen} == {"planted"}
    assert set(report.tables) == {"removal", "qld", "loo", "planted"}
    assert len(report.tables["removal"]) > 0
    seen.clear()
    evaluate(session, options, progress=seen.append)  # complete: the next one measures again
    assert "planted" in {event.stage for event in seen}


def test_another_evaluation_does_not_take_over_a_stopped_one(world, monkeypatch):
    session = world[0]
    options = EvaluateOptions(what=("planted", "null"), targets=3, subsets=12, seed=5)

    def power_cut(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("influence_core.workflow.evaluate.evaluate.null_control", power_cut)
        with pytest.raises(KeyboardInterrupt):
            evaluate(session, options)
    other = evaluate(session, replace(options, planted=0.3))
    assert set(other.tables) == {"planted"}


def test_a_whole_network_is_evaluated_by_a_head_on_its_features(tmp_path, monkeypatch):
    monkeypatch.setattr(stand_in, "_MEMBERS", 2)
    monkeypatch.setattr(stand_in, "_WIDTH", 32)
    made = project(tmp_path / "net", n=60)
    train(made, TrainOptions(members=2, width=32, epochs=2))
    whole = open_session(Project.open(made.root))
    session = replace(whole, evidence=replace(whole.evidence, head=None))
    report = evaluate(session, replace(SMALL, what=("lds", "removal", "loo", "planted", "null")))
    asked = set(report.tables["estimators"]["estimator"])
    assert asked == set(ESTIMATORS) - {"turnover", "gradient", "replay", "together"} | {"ceiling"}
    assert "head on this network's features, not the network" in report.record.reason
    assert "null" not in report.record.checks
    item = find_item(session, "test", int(made.dataset.split("test").keys[0]))
    proof = prove(session, item, made.dataset.train.keys[:3], retrainings=2)
    assert "head on this network's features, not the network" in proof.sentence


def test_cancel_stops_an_evaluation(world):
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        evaluate(world[0], SMALL, cancel=stop)


def test_options_that_measure_nothing_are_refused():
    with pytest.raises(ModelError, match=STAGES[0]):
        EvaluateOptions(what=("nonsense",))
    with pytest.raises(ModelError, match="at least"):
        EvaluateOptions(subsets=2)


def test_a_split_that_is_not_there_is_named(world):
    with pytest.raises(DataError, match="labelled items"):
        evaluate(world[0], EvaluateOptions(split="nowhere", targets=3, subsets=12))


def test_a_damaged_record_is_an_error_with_a_way_out(world, tmp_path):
    (tmp_path / FILE).write_text('{"run": "x", "surprise": 1}')
    with pytest.raises(StoreError, match="evaluate again"):
        read_evaluation(tmp_path)
    assert read_evaluation(tmp_path / "nothing") is None


def test_a_proof_tells_the_item_with_and_without_the_rows(world, item):
    session = world[0]
    answer = explain(session, item, ExplainOptions(k=5, toward="true"))
    report = prove(session, item, answer.helpful["key"].to_numpy(), retrainings=2)
    assert set(report.table["arm"]) == {"nothing", "listed", "random"}
    assert len(report.table) == 3 * len(session.classes)
    sums = report.table.groupby("arm")["probability"].sum()
    assert np.allclose(sums, 1.0, atol=1e-5)
    assert f"'{session.classes[report.label]}'" in report.sentence
    assert "of 2 retrainings" in report.sentence
    assert report.actual is None  # the ridge tells no change in nats


def test_a_proof_shows_what_was_predicted_of_this_model_beside_what_became_of_it(world, item):
    session = world[0]
    answer = explain(session, item, ExplainOptions("replay", k=5, toward="true"))
    expected = Expected.of(answer.effects, answer.label, "helpful", 5)
    keys = answer.helpful["key"].to_numpy()
    before = len(session.run.table("changes"))
    report = prove(session, item, keys, retrainings=2, expected=expected)
    told = expected_change(session, answer.effects, "helpful", 5)
    assert report.change.before == pytest.approx(float(item.proba[answer.label]), abs=1e-5)
    assert report.change.after == pytest.approx(told.after, abs=0.05)
    assert (report.actual.after - report.actual.before) * (told.after - told.before) > 0
    assert f"{report.actual.after:.2f}; about {report.change.after:.2f} (±" in report.sentence
    assert len(session.run.table("changes")) == before + 1
    assert f"about {told.after:.2f} (±" in sentence(told, 5, "good")


def test_without_retrainings_the_interval_is_said_to_be_unknown(world, item):
    session = world[0]
    answer = explain(session, item, ExplainOptions("together", k=5))
    change = predicted_change(answer.effects.log_proba, answer.effects.of("harmful", 2))
    assert np.isnan(change.half) and "not known yet" in sentence(change, 2, "good")
    assert "±" not in sentence(change, 2, "good")


def test_a_search_says_how_many_rows_it_takes_or_that_none_do(world, item):
    session = world[0]
    keys = session.project.dataset.train.keys[:4]
    found = smallest_flip(session, item, keys)
    assert set(found.tried["rows"]) <= {1, 2, 3, 4}
    assert (found.smallest is None) == ("does not change" in found.sentence)
