"""`turnover doctor` says what is wrong with an installation and what to do about it."""

import json
import sys
from importlib import metadata

import pytest
import torch
from card import GIB, card
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.errors import StoreError
from influence_core.workflow import doctor as module
from influence_core.workflow.doctor import EXTRAS, doctor


@pytest.fixture
def versions(monkeypatch):
    """Versions that seem to be installed; None for not at all; others as they are."""
    told, real = {}, metadata.version

    def version(name):
        found = told[name] if name in told else real(name)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(module.metadata, "version", version)
    return told


def by_name():
    return {line.name: line for line in doctor()}


def test_this_installation_is_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path / "not" / "there" / "yet"))
    found = by_name()
    assert [line.name for line in found.values() if line.state == "wrong"] == []
    assert {"turnover", "streamlit", "torch", "device", "dashboard", "home", *EXTRAS} <= set(found)
    assert "0 projects" in found["home"].what


@pytest.mark.parametrize(("version", "says"), [(None, "is not installed"), ("1.13.0", "is 1.13.0")])
def test_a_missing_or_old_library_is_named_with_what_gets_it(versions, version, says):
    versions["scipy"], versions["torch"] = version, "2.9.0"
    found = by_name()
    assert found["torch"].state == "wrong"
    assert "is 2.9.0" in found["torch"].what
    assert found["torch"].advice.startswith("pip install 'torch>=2.")
    if version is None:
        assert found["scipy"].state == "wrong"
        assert says in found["scipy"].what
    else:
        assert "scipy" not in found  # new enough, and of no interest


def test_an_optional_library_is_no_fault(versions):
    versions["ray"] = None
    found = by_name()["ray"]
    assert found.state == "optional"
    assert found.advice.startswith("pip install 'ray")


def test_a_home_that_is_a_file_or_full_is_wrong(tmp_path, monkeypatch):
    place = tmp_path / "file"
    place.touch()
    monkeypatch.setenv("TURNOVER_HOME", str(place / "home"))
    assert by_name()["home"].state == "wrong"
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path))
    monkeypatch.setattr(module, "LEAST_FREE", 1 << 60)
    assert "free some space" in by_name()["home"].advice


def test_whatever_is_wrong_or_missing_comes_with_the_next_step(versions, tmp_path, monkeypatch):
    """All at once: every library, the device, the dashboard and the home."""
    versions.update({needed.name: None for needed in module._required()})
    versions.update({needed.name: None for extra in EXTRAS for needed in module._required(extra)})
    monkeypatch.setitem(sys.modules, "torch", None)
    place = tmp_path / "file"
    place.touch()
    monkeypatch.setenv("TURNOVER_HOME", str(place / "home"))

    def nowhere():
        raise StoreError("The dashboard is not there.")

    monkeypatch.setattr(module, "dashboard_root", nowhere)
    found = doctor()
    missing = {line.name for line in found if line.state != "ok"}
    assert {"device", "dashboard", "home", "pandas", "streamlit", *EXTRAS} <= missing
    for line in found:
        assert bool(line.advice) == (line.state != "ok"), line
        assert line.what, line


def test_the_verb_prints_it_and_ends_with_1_where_something_is_wrong(versions):
    fine = CliRunner().invoke(app, ["doctor"])
    assert fine.exit_code == 0, fine.output
    assert "ok" in fine.output
    versions["pandas"] = "1.0"
    wrong = CliRunner().invoke(app, ["doctor", "--json"])
    assert wrong.exit_code == 1
    lines = {line["name"]: line for line in json.loads(wrong.stdout)}
    assert lines["pandas"]["state"] == "wrong"


def test_a_card_is_named_with_its_memory():
    with card(total=3 * GIB, name="Card X"):
        held = torch.zeros(GIB // 4, device="cuda")
        assert by_name()["device"].what == ("Card X (cuda); 2.0 of 3.0 GiB of memory are free")
        del held
    assert "no GPU" in by_name()["device"].what
