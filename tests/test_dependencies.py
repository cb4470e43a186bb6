"""Floors of dependencies: none admits a version with a hole that is known."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

TEXT = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
# Last versions with a hole that matters here: code or files of strangers, memory, or logins.
HOLES = {
    "torch": "2.9.1", "transformers": "4.57.6", "datasets": "5.0.0", "pyarrow": "23.0.0",
    "filelock": "3.20.2", "pillow": "12.1.1", "ray": "2.53.0", "authlib": "1.6.8",
    "streamlit": "1.53.1", "scikit-learn": "1.4.2",
}  # fmt: skip


def requirements():
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(line) for part in lists for line in part]


@pytest.mark.parametrize("name", HOLES)
def test_no_list_admits_a_version_with_a_known_hole(name):
    found = [r for r in requirements() if r.name.lower() == name]
    assert found
    assert not any(r.specifier.contains(HOLES[name]) for r in found)


def test_what_is_installed_is_what_is_asked_for():
    for requirement in (Requirement(line) for line in PROJECT["dependencies"]):
        assert requirement.specifier.contains(Version(version(requirement.name)).base_version)


def test_every_raised_floor_says_why():
    for name in ("torch", "transformers", "datasets", "pyarrow", "filelock", "pillow"):
        assert re.search(rf'"{name}>=[^"]+",  # .', TEXT)
