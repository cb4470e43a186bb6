"""Project files bent by hand: a project, or one sentence; the others in the home still open."""

import json
import shutil

import pytest
from damage import EDITS, JSON, damaged, prints
from hypothesis import given
from hypothesis import strategies as st
from tiny import project

from influence_core.errors import TurnoverError
from influence_core.store.project import Project, list_projects


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    project(folder / "good", n=12)
    project(folder / "bent", n=12)
    return folder


def opened(home):
    """Open the bent one and look at everything; an error of ours is fine."""
    try:
        found = Project.open(home / "bent")
        for split in found.dataset.splits.values():
            split.texts()
        found.runs()
        assert found.settings.database is not None
        assert found.features_folder("t").resolve().is_relative_to(home.resolve())
        assert found.exports_folder.resolve().is_relative_to(home.resolve())
    except TurnoverError as error:
        assert str(error)


def check(home, name, content):
    """Put the content in place of a file; afterwards all else is as it was."""
    file = home / "bent" / name
    whole = file.read_bytes()
    try:
        file.write_bytes(content)
        before = prints(home)
        opened(home)
        assert "good" in {found.root.name for found in list_projects(home)}
        assert prints(home) == before
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("name", ["project.toml", "data/dataset.json", "data/train.parquet"])
@given(edits=EDITS)
def test_bent_files_are_a_project_or_a_sentence(home, name, edits):
    check(home, name, damaged((home / "bent" / name).read_bytes(), edits))


@given(part=st.sampled_from(["classes", "modality", "splits", "image_root", "source"]), value=JSON)
def test_any_value_in_the_header_is_a_project_or_a_sentence(home, part, value):
    header = json.loads((home / "bent" / "data/dataset.json").read_text())
    check(home, "data/dataset.json", json.dumps(header | {part: value}).encode())


@given(
    name=st.sampled_from(["name", "modality", "encoder", "target_split", "database", "version",
                         "created"]),
    value=st.sampled_from(
        ['""', "-1", "1e999", "[]", "{}", "true", '"../../x"', '"\\u0000"', '"/etc/passwd"',
         '"sqlite:////nowhere/x.db"', '"mysql://x"', "nan", "1979-05-27", '"' + "x" * 5000 + '"']
    ),
)  # fmt: skip
def test_any_setting_is_a_project_or_a_sentence(home, name, value):
    lines = (home / "bent" / "project.toml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{name} =")]
    check(home, "project.toml", "\n".join([*kept, f"{name} = {value}", ""]).encode())


def test_a_link_out_of_the_home_does_not_open_the_rest(home, tmp_path):
    shutil.copytree(home / "good", tmp_path / "elsewhere")
    link = home / "linked"
    link.symlink_to(tmp_path / "elsewhere")
    try:
        assert "good" in {found.root.name for found in list_projects(home)}
    finally:
        link.unlink()
