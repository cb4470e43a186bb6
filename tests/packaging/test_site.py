"""The documentation: the site is built without a warning, and the commands of its pages are run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import ROOT
from commands import options_of
from tiny import sentences

import influence_core
from influence_core.cli.verbs import VERBS

pytestmark = pytest.mark.slow
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_in_the_menu(site):
    front = (site / "index.html").read_text("utf-8")
    for page in [*DOCS.glob("*.md"), Path("api.md"), Path("cli.md")]:
        assert f'href="{page.stem}.html"' in front, page.name


def test_the_reference_has_all_verbs_options_and_public_names(site):
    cli = (site / "cli.html").read_text("utf-8")
    for verb in VERBS:
        assert f">turnover {verb}" in cli
        for option in options_of(verb):
            assert not option.startswith("--") or option in cli, (verb, option)
    api = (site / "api.html").read_text("utf-8")
    for home in influence_core._HOMES.values():
        assert f'id="influence_core.{home.replace(":", ".")}"' in api, home


def test_nothing_comes_from_outside(site):
    for page in site.glob("*.html"):
        text = page.read_text("utf-8")
        assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', text), page.name


def commands(name):
    """The lines that a page has a reader type, as one script."""
    text = (DOCS / name).read_text("utf-8")
    return "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))


@pytest.mark.parametrize("name", ["tutorial-csv.md", "ci-gate.md"])
def test_the_commands_of_a_page_do_what_it_says(name, tmp_path):
    rows = enumerate(zip(*sentences(80), strict=True))  # some labels are wrong
    lines = [f"{text},{'good' if y ^ (i % 8 == 0) else 'bad'}" for i, (text, y) in rows]
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *lines]), "utf-8")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "turnover").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m influence_core.cli "$@"\n'
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    paths = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-exuo", "pipefail", "-c", commands(name)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, **paths, "TURNOVER_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
