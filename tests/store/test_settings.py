import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.errors import StoreError
from influence_core.store.settings import ProjectSettings

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(words, words, words)
def test_settings_of_any_words_come_back(tmp_path_factory, name, encoder, target_split):
    path = tmp_path_factory.mktemp("toml") / "project.toml"
    settings = ProjectSettings(name, "text", encoder, target_split=target_split)
    path.write_bytes(settings.to_toml().encode())
    assert ProjectSettings.read(path) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is damaged"),
        ("a = " + "[" * 100_000, "is damaged"),
        ("version = 99", "has version 99, this program knows 1 to 2; update the program"),
        ('version = "2"', "has version '2'"),
        ("", "encoder, modality, name"),
        ("version = 1", "encoder, modality, name"),
        ('version = 2\nname = 5\nmodality = "text"\nencoder = "t"', r"wrong type: name\)"),
        ('version = 2\nname = "n"\nmodality = "smell"\nencoder = "t"', "modality"),
    ],
)
def test_damaged_settings_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "project.toml"
    path.write_text(text)
    with pytest.raises(StoreError, match=message) as caught:
        ProjectSettings.read(path)
    assert str(path) in str(caught.value)


def test_settings_that_are_no_utf8_are_refused(tmp_path):
    (tmp_path / "project.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(StoreError, match="is damaged"):
        ProjectSettings.read(tmp_path / "project.toml")


def test_settings_of_the_first_version_name_the_encoder_trunk(tmp_path):
    path = tmp_path / "project.toml"
    path.write_text('name = "n"\nmodality = "text"\ntrunk = "t"\ntrunk_fingerprint = "f"')
    settings = ProjectSettings.read(path)
    assert (settings.encoder, settings.encoder_fingerprint) == ("t", "f")
    assert "trunk" not in settings.to_toml()


def test_settings_of_a_later_program_are_passed_over(tmp_path):
    path = tmp_path / "project.toml"
    path.write_text(ProjectSettings("n", "text", "t").to_toml() + 'colour = "red"\n')
    assert ProjectSettings.read(path) == ProjectSettings("n", "text", "t")
