import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project
from influence_core.workflow import expected as estimates
from influence_core.workflow.cleanse.find_harm import CleanseOptions
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.costs import rates as device_rates
from influence_core.workflow.costs.estimate import Rates, replaying
from influence_core.workflow.costs.work import encode_work
from influence_core.workflow.evaluate.work import EvaluateOptions, recipe
from influence_core.workflow.expected import FIRST
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

SLUG = Rates(1e-3, 1e-3, 1e-3, 1e-3)  # so slow that everything is long
ENTRY = {name: rate for name, rate in vars(SLUG).items() if name != "encode"}
SMALL = TrainOptions(members=2, width=64, epochs=30, device="cpu")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = tiny.project(tmp_path_factory.mktemp("estimates") / "films", n=90)
    tiny.reader(made.root / "encoder")
    made = made.with_settings(encoder="hf:encoder")
    train(made, SMALL)
    return open_session(Project.open(made.root), device="cpu")


@pytest.fixture
def slow(monkeypatch):
    """A device so slow that everything is worth a sentence."""
    monkeypatch.setattr(device_rates, "measure", lambda device: ENTRY)
    monkeypatch.setattr(estimates, "SLOW", SLUG)


def test_a_device_is_measured_once_and_read_from_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path))
    assert device_rates.head_rates("cpu", stored=True) is None
    first = device_rates.head_rates("cpu")
    assert min(first.product, first.turnover, first.ridge) > 0
    assert first.step >= 0  # by the difference of two measurements
    monkeypatch.setattr(device_rates, "measure", None)  # a second measurement would fail
    assert device_rates.head_rates("cpu") == first
    assert device_rates.head_rates("cpu", stored=True) == first


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "7", '{"NAME": 3}', '{"NAME": {"ridge": 1.0}}', '{"NAME": {"product": NaN}}'],
)
def test_a_damaged_file_is_measured_again(damage, tmp_path, monkeypatch):
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path))
    monkeypatch.setattr(device_rates, "measure", lambda device: ENTRY)
    device_rates.head_rates("cpu")
    path = tmp_path / device_rates.FILE
    [name] = json.loads(path.read_text())
    path.write_text(damage.replace("NAME", name))
    assert device_rates.head_rates("cpu", stored=True) is None
    assert device_rates.head_rates("cpu") == SLUG
    assert device_rates.head_rates("cpu", stored=True) == SLUG
    entry = json.loads(path.read_text())
    path.write_text(json.dumps(entry).replace("0.001", "NaN"))
    assert device_rates.head_rates("cpu", stored=True) is None


def test_a_home_that_cannot_be_written_refuses_no_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(device_rates, "measure", lambda device: ENTRY)
    assert device_rates.head_rates("cpu") == SLUG
    assert device_rates.head_rates("cpu", stored=True) is None


def test_two_that_measure_at_once_keep_what_both_found(tmp_path, monkeypatch):
    monkeypatch.setattr(device_rates, "measure_encoder", lambda *_: {"encode": 0.5})
    several = [
        tiny.project(tmp_path / str(i), n=12).with_settings(encoder=f"hf:{i}") for i in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(device_rates.encode_rate, several))
    assert all(device_rates.encode_rate(one, stored=True) == 0.5 for one in several)


def test_encoding_is_measured_on_the_projects_own_items(session, monkeypatch):
    project = session.project
    assert device_rates.encode_rate(project, "cpu", stored=True) is None
    each = device_rates.encode_rate(project, "cpu")
    assert 0 < each < 1
    monkeypatch.setattr(device_rates, "measure_encoder", None)  # not measured again
    assert device_rates.encode_rate(project, "cpu") == each
    for split in project.dataset.splits.values():
        shortest, longest = (f(map(len, split.texts())) for f in (min, max))
        work = encode_work(split) / len(split)
        assert shortest < work < longest + 20


def test_short_work_is_neither_announced_nor_measured(session, monkeypatch):
    monkeypatch.setattr(device_rates, "measure", None)  # a measurement would fail
    question = CleanseOptions(TargetSplit("test"))
    assert estimates.training_text(session.project, SMALL) is None
    assert estimates.cleansing_text(session, question, seeds=10) is None


def test_every_long_work_is_announced(session, slow):
    said = estimates.training_text(session.project, SMALL)
    assert said.startswith("This takes about ")
    assert said.endswith("on this device.")
    free = TrainOptions(members=2, width=64, device="cpu")
    assert "if it takes 12 epochs" in estimates.training_text(session.project, free)
    assert estimates.trial_text(session, 10, 3)
    assert estimates.evaluation_text(session, EvaluateOptions())
    rounds, shot = (
        CleanseOptions(TargetSplit("test")),
        CleanseOptions(TargetSplit("test"), by="count", drop=3),
    )
    assert estimates.cleansing_text(session, rounds).endswith("if the rounds stop early.")
    assert estimates.cleansing_text(session, shot).endswith("on this device.")
    assert (
        estimates.cleansing_text(session, CleanseOptions(TargetSplit("test"), by="decisions"))
        is None
    )


def test_a_page_hears_only_what_was_measured_before(session, slow):
    question = CleanseOptions(TargetSplit("test"))
    assert estimates.cleansing_text(session, question, stored=True) is None
    device_rates.head_rates("cpu")
    assert estimates.cleansing_text(session, question, stored=True)
    assert estimates.evaluation_text(session, EvaluateOptions(), stored=True)
    assert estimates.training_text(session.project, SMALL, stored=True)


def test_encoding_counts_until_it_is_done(session, tmp_path, slow):
    fresh = tiny.project(tmp_path / "fresh", n=90)
    tiny.encoder(fresh.root / "encoder")
    fresh = fresh.with_settings(encoder="hf:encoder")
    speed = replace(SLUG, encode=0.01)
    done = estimates.training_estimate(speed, session.project, SMALL)
    todo = estimates.training_estimate(speed, fresh, SMALL)
    items = sum(map(encode_work, fresh.dataset.splits.values()))
    # 384 features are assumed before anything is known; the encoder has 16.
    more = SLUG.product * 2 * 90 * 2 * 64 * (384 - 16)
    assert todo.seconds - done.seconds > 0.01 * items + more
    assert estimates.training_text(fresh, SMALL, stored=True) is None
    assert estimates.training_text(fresh, SMALL)


def test_more_work_takes_longer(session):
    def seconds(work):
        return work.seconds

    few, many = EvaluateOptions(subsets=10), EvaluateOptions(subsets=500)
    one, other = (estimates.evaluation_estimate(SLUG, session, o) for o in (few, many))
    assert seconds(one) < seconds(other)
    each = [
        estimates.evaluation_estimate(SLUG, session, EvaluateOptions(what=(stage,)))
        for stage in ("lds", "same", "removal", "loo", "planted")
    ]
    whole = estimates.evaluation_estimate(SLUG, session, EvaluateOptions())
    own = recipe(session)
    args = (SLUG, len(session.evidence), 60, own.config, own.training)
    twice = 2 * seconds(replaying(*args))  # three stages read one pass of replay
    assert math.isclose(sum(map(seconds, each)) - twice, seconds(whole))
    fresh = estimates.in_fresh_process(whole)
    assert fresh.seconds == whole.seconds + FIRST.seconds
    rounds = CleanseOptions(TargetSplit("test"), drop=0.1, step=0.02)
    shot = CleanseOptions(TargetSplit("test"), by="count", drop=3)
    one, other = (estimates.cleansing_estimate(SLUG, session, q, 20) for q in (shot, rounds))
    assert seconds(other) > 6 * seconds(one)


def test_an_evaluation_is_told_before_the_training_as_after_it(session, tmp_path, monkeypatch):
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path))
    guess = estimates.following_evaluation(estimates.shape_of(session.project), SMALL)
    assert not guess.measured
    assert "a guess for two usual cores" in guess.source
    monkeypatch.setattr(device_rates, "measure", lambda device: ENTRY)
    device_rates.head_rates("cpu")
    told = estimates.following_evaluation(estimates.shape_of(session.project), SMALL)
    assert told.measured
    after = estimates.evaluation_estimate(SLUG, session, EvaluateOptions())
    assert math.isclose(told.seconds, after.seconds + estimates.START)
    larger = estimates.following_evaluation(
        estimates.shape_of(session.project), replace(SMALL, width=128)
    )
    assert larger.seconds > told.seconds


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--members", "2", "--width", "16", "--epochs", "1", "--device", "cpu"],
        ["cleanse", "--by", "count", "--drop", "2"],
    ],
)
def test_a_verb_says_it_first_and_not_among_its_answer(session, slow, words):
    name, *options = words
    if name == "cleanse":  # the newest run may have learned nothing
        options += ["--run", session.run.id]
    answer = CliRunner().invoke(app, [name, str(session.project.root), *options, "--json"])
    assert answer.exit_code == 0, answer.output
    assert "This takes about" in answer.stderr
    json.loads(answer.stdout)
