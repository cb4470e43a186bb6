"""Several projects in one database: told apart by ids, whatever they are called or copied to."""

import json
import shutil
from contextlib import closing

import pytest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.errors import StoreError
from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import URL_VARIABLE, ReviewStore, open_reviews


def act(store, keys):
    store.append(Action("ann", [Decision(key, 1, "exclude", "cat") for key in keys], "f" * 64))


@pytest.fixture
def home(url, tmp_path, monkeypatch):
    """A home of projects whose reviews lie in one shared database."""
    monkeypatch.setenv(URL_VARIABLE, url)
    project(tmp_path / "home" / "films", n=12)
    return tmp_path / "home"


def decided(root):
    with closing(open_reviews(Project.open(root))) as found:
        return sorted(event.decision.key for event in found.events())


def decide_in(root, key):
    with closing(open_reviews(Project.open(root))) as found:
        act(found, [key])


def test_a_renamed_project_keeps_its_decisions_and_another_of_its_name_has_none(home):
    decide_in(home / "films", 5)
    Project.open(home / "films").with_settings(name="Renamed")
    (home / "films").rename(home / "moved")
    project(home / "second", n=12, seed=3).with_settings(name="Renamed")
    assert decided(home / "moved") == [5]
    assert decided(home / "second") == []


def test_a_copied_project_is_said_to_be_one_and_gets_decisions_of_its_own(home):
    decide_in(home / "films", 5)
    shutil.copytree(home / "films", home / "copy")
    for name in ("films", "copy"):
        with pytest.raises(StoreError, match=r"copies of one project.*turnover separate"):
            decided(home / name)
    answer = CliRunner().invoke(app, ["separate", str(home / "copy"), "--json"])
    assert json.loads(answer.output)["decisions"] == 1
    decide_in(home / "copy", 6)
    decide_in(home / "films", 7)
    assert (decided(home / "films"), decided(home / "copy")) == ([5, 7], [5, 6])


def test_each_split_has_decisions_of_its_own_which_a_copy_keeps(home):
    films = Project.open(home / "films")
    with closing(open_reviews(films, "test")) as test, closing(open_reviews(films)) as train:
        act(test, [5])  # the same key may be that of a training row
        act(train, [5, 6])
        assert (test.extent().events, train.extent().events) == (1, 2)
    shutil.copytree(home / "films", home / "copy")
    answer = CliRunner().invoke(app, ["separate", str(home / "copy"), "--json"])
    assert json.loads(answer.output)["decisions"] == 3
    with closing(open_reviews(Project.open(home / "copy"), "test")) as copied:
        assert [event.decision.key for event in copied.events()] == [5]


def without_id(root):
    """A project of before there were ids."""
    path = root / "project.toml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("id = ")]
    path.write_text("\n".join(lines))


def test_decisions_under_a_name_go_to_the_project_whose_data_they_are_about(url, home):
    project(home / "second", n=12, seed=3)  # also called Tiny
    for name in ("films", "second"):
        without_id(home / name)
    with closing(ReviewStore(url, "Tiny")) as before:
        for key, root in ((5, "films"), (6, "second")):
            made = [Decision(key, 1, "exclude", "cat")]
            before.append(Action("ann", made, Project.open(home / root).fingerprint))
        before.append(Action("ann", [Decision(8, 1, "keep", "cat")], "data of before"))
    with closing(ReviewStore(url, "Other")) as other:
        act(other, [9])
    assert decided(home / "films") == [5, 8]
    assert decided(home / "second") == [6]
    Project.open(home / "films").with_settings(name="Renamed")
    assert decided(home / "films") == [5, 8]
    with closing(ReviewStore(url, "Other")) as other:
        assert other.extent().events == 1


def test_ids_are_those_of_the_project_not_of_its_folder_or_name(home):
    films = Project.open(home / "films")
    assert films.id != project(home / "second", n=12).id
    without_id(home / "films")
    old = films.id
    films.with_settings(name="Renamed")
    assert films.id == old
    assert len(old) == 32
