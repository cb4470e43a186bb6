import pytest
from tiny import project

from influence_core.influence import estimate
from influence_core.workflow import estimates
from influence_core.workflow.session import open_session
from influence_core.workflow.train import TrainOptions, train


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path))
    return project(tmp_path / "tiny", n=90)


def test_a_device_is_measured_once_and_read_from_the_home(made, tmp_path, monkeypatch):
    first = estimates.rates("cpu")
    assert (tmp_path / estimates.FILE).is_file()
    monkeypatch.setattr(estimates, "measure", None)  # a second measurement would fail
    assert estimates.rates("cpu") == first
    (tmp_path / estimates.FILE).write_text("damaged")
    monkeypatch.setattr(estimates, "measure", lambda device: first)
    assert estimates.rates("cpu") == first


def test_a_project_has_estimates_before_training_and_before_scans(made, tmp_path, monkeypatch):
    given = estimate.Rates("cpu", 1e-9, 1e-9, 1e-9, 1e-10, 1e-9)
    monkeypatch.setattr(estimates, "measure", lambda device: given)
    options = TrainOptions(members=2, width=64, epochs=2, device="cpu")
    short = estimates.training_estimate(made, options)
    free = estimates.training_estimate(made, TrainOptions(members=2, width=64, device="cpu"))
    assert 0 < short.seconds < free.seconds
    assert "12 epochs" in estimates.estimate_text(free, assumed_epochs=True)
    assert estimates.training_text(made, options) is None  # short work needs no warning
    monkeypatch.setattr(estimates, "LONG_ROWS", 90)
    assert "on this device." in estimates.training_text(made, options)
    train(made, options)
    session = open_session(type(made).open(made.root), device="cpu")
    one = estimates.scan_estimate(session, "turnover")
    assert 0 < one.seconds < estimates.scan_estimate(session, "turnover", targets=100).seconds
    assert estimates.scan_estimate(session, "flipped-ridge", targets=100).seconds > 0
