import pytest

from influence_core.workflow.projects.hints import FILE, put_away, put_hint_away


def test_what_one_person_puts_away_stays_for_others(tmp_path):
    put_hint_away(tmp_path, "ada", "errors")
    put_hint_away(tmp_path, "ada", "labels")
    put_hint_away(tmp_path, "ada", "errors")
    assert put_away(tmp_path, "ada") == {"errors", "labels"}
    assert put_away(tmp_path, "bob") == frozenset()


@pytest.mark.parametrize("damage", ["", "[1]", '{"ada": 3}', "\ufffd", "[" * 100])
def test_a_damaged_file_only_shows_the_hint_again(tmp_path, damage):
    (tmp_path / FILE).write_text(damage, "utf-8")
    assert put_away(tmp_path, "ada") == frozenset()
    put_hint_away(tmp_path, "ada", "errors")
    assert put_away(tmp_path, "ada") == {"errors"}


def test_a_home_that_cannot_be_written_is_no_error(tmp_path):
    put_hint_away(tmp_path / "missing" / "home", "ada", "errors")
    (tmp_path / "file").write_text("x")
    put_hint_away(tmp_path / "file", "ada", "errors")
    assert put_away(tmp_path / "file", "ada") == frozenset()
