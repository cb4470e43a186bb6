"""A project's own word on where its decisions lie is not believed before somebody has said so."""

import json
from contextlib import closing

import pytest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.disk.names import projects_home
from influence_core.errors import StoreError
from influence_core.store.project import Project
from influence_core.store.reviews.store import URL_VARIABLE, open_reviews
from influence_core.workflow.projects.overview import overview


@pytest.fixture
def foreign(tmp_path):
    """A project from somebody else, whose settings name a file of this user's."""
    made = project(projects_home() / "films", n=12)
    address = f"sqlite:///{tmp_path / 'mail.db'}"
    settings = made.root / "project.toml"
    settings.write_text(settings.read_text().replace('database = ""', f'database = "{address}"'))
    return Project.open(made.root)


def test_a_stranger_s_project_opens_no_database(foreign, tmp_path):
    with pytest.raises(StoreError, match=r"nobody has trusted.*turnover trust films"):
        open_reviews(foreign)
    assert "turnover trust films" in overview(foreign.root).problem
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("id,verdict\ntrain-3,exclude\n")
    answer = CliRunner().invoke(app, ["decide", "films", str(decisions)])
    assert answer.exit_code == 1
    assert not (tmp_path / "mail.db").exists()
    assert not (foreign.root / "reviews.db").exists()


def test_once_it_is_trusted_it_is_used_and_another_address_is_not(foreign, tmp_path):
    answer = CliRunner().invoke(app, ["trust", "films", "--json"])
    assert json.loads(answer.output)["database"].endswith("mail.db")
    with closing(open_reviews(foreign)):
        assert (tmp_path / "mail.db").is_file()
    settings = foreign.root / "project.toml"
    settings.write_text(settings.read_text().replace("mail.db", "other.db"))
    with pytest.raises(StoreError, match="nobody has trusted"):
        open_reviews(Project.open(foreign.root))


def test_the_environment_goes_before_and_says_nothing_about_trust(foreign, tmp_path, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, f"sqlite:///{tmp_path / 'mine.db'}")
    with closing(open_reviews(foreign)):
        assert (tmp_path / "mine.db").is_file()
    monkeypatch.delenv(URL_VARIABLE)
    with pytest.raises(StoreError):
        open_reviews(foreign)


def test_no_password_is_printed_or_kept(foreign):
    settings = foreign.root / "project.toml"
    text = settings.read_text()
    start = text.index("sqlite:///")
    named = text[start : text.index('"', start)]
    settings.write_text(text.replace(named, "postgresql://ann:secret@db.example.org/reviews"))
    with pytest.raises(StoreError) as refused:
        open_reviews(Project.open(foreign.root))
    assert "secret" not in str(refused.value)
    assert "db.example.org" in str(refused.value)
    told = CliRunner().invoke(app, ["trust", "films"])
    assert not told.exit_code
    assert "secret" not in told.output
    assert "secret" not in (projects_home() / ".trusted-databases").read_text()


def test_an_address_of_no_kind_is_told_of_in_the_words_of_the_library(foreign, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, "nosuch://db.example.org/reviews")
    with pytest.raises(
        StoreError, match=r"load plugin: sqlalchemy\.dialects:nosuch\); write it as"
    ):
        open_reviews(foreign)


def test_where_no_database_is_named_there_is_nothing_to_trust():
    project(projects_home() / "films", n=12)
    answer = CliRunner().invoke(app, ["trust", "films"])
    assert answer.exit_code == 1
