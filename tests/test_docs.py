"""What the README promises exists."""

import re
import shlex
from pathlib import Path

import pytest
from commands import options_of

from influence_core.classifier import TurnoverClassifier

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(
    r"^turnover .*$", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S)), re.M
)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_readme_exists_with_its_options(line):
    _, name, *rest = shlex.split(line, comments=True)
    assert {word for word in rest if word.startswith("--")} <= options_of(name)


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"^make (\w+)", README, re.M)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_methods_of_the_notebook_example_exist():
    for name in re.findall(r"model\.(\w+)\(", README):
        assert hasattr(TurnoverClassifier, name), name


def test_files_that_the_readme_names_exist():
    for name in re.findall(r"`([\w/]+\.(?:md|py|toml))`", README):
        assert (ROOT / name).is_file(), name


def test_no_room_is_missing_from_the_architecture_page():
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for room in (ROOT / "influence_core").iterdir():
        if room.is_dir() and (room / "__init__.py").is_file():
            assert f"`{room.name}/`" in page, room.name
