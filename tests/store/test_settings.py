import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.errors import StoreError
from influence_core.store.settings import ProjectSettings

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(words, words, words)
def test_settings_of_any_words_come_back(tmp_path_factory, name, trunk, judge):
    path = tmp_path_factory.mktemp("toml") / "project.toml"
    settings = ProjectSettings(name, "text", trunk, judge=judge)
    path.write_bytes(settings.to_toml().encode())
    assert ProjectSettings.read(path) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is damaged"),
        ("a = " + "[" * 100_000, "is damaged"),
        ("version = 2", "layout version 2"),
        ("", "layout version None"),
        ("version = 1", "missing or unknown settings"),
        ('version = 1\nname = 5\nmodality = "text"\ntrunk = "t"', r"\['name'\]"),
        ('version = 1\nname = "n"\nmodality = "smell"\ntrunk = "t"', "modality"),
        ('version = 1\nname = "n"\nmodality = "text"\ntrunk = "t"\nx = 1', r"\['x'\]"),
    ],
)
def test_bent_settings_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "project.toml"
    path.write_text(text)
    with pytest.raises(StoreError, match=message) as caught:
        ProjectSettings.read(path)
    assert str(path) in str(caught.value)


def test_settings_that_are_no_utf8_are_refused(tmp_path):
    (tmp_path / "project.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(StoreError, match="is damaged"):
        ProjectSettings.read(tmp_path / "project.toml")
