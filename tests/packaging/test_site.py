"""The documentation: the site is built without a warning, and the commands of its pages are run."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from browser import ROOT
from commands import options_of
from databases import postgres
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
    run(tmp_path, "bash", "-exuo", "pipefail", "-c", commands(name))


@pytest.mark.postgres
def test_the_commands_of_the_page_on_postgresql_move_what_is_decided(tmp_path):
    texts, labels = sentences(40)
    lines = [
        f"{i},{text},{'good' if y else 'bad'}"
        for i, (text, y) in enumerate(zip(texts, labels, strict=True))
    ]
    (tmp_path / "films.csv").write_text("\n".join(["id,text,label", *lines]), "utf-8")
    before = """
turnover new films.csv --label label
turnover train films --size lean --epochs 2
turnover labels films --top 1 --out one.csv
python -c "
import pandas
frame = pandas.read_csv('one.csv', dtype=str)
frame.assign(verdict='keep', reviewer='ann').to_csv('one.csv', index=False)
"
turnover decide films one.csv
"""
    with postgres() as address:
        page = re.sub(r"postgresql\+psycopg://\S+", address, commands("postgres.md"))
        trusted = page.replace(
            "turnover trust films",
            f"""
sed -i 's#^database = .*#database = "{address}"#' "$TURNOVER_HOME/films/project.toml"
turnover trust films
unset TURNOVER_DATABASE_URL
turnover decisions films --out moved.csv
""",
        )
        run(tmp_path, "bash", "-exuo", "pipefail", "-c", before + trusted)
    moved = (tmp_path / "moved.csv").read_text()
    assert "keep" in moved
    assert "ann" in moved


def run(folder, *command):
    """What a reader's shell does, in a folder and a home of its own; what it prints."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "turnover").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m influence_core.cli "$@"\n'
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    paths = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, **paths, "TURNOVER_HOME": str(folder / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# What a reader does on the page Labels, between two cells.
DECIDES = """
ids = films["id"].tolist()
here = [one for one in ids if one in set(shown.project.dataset.train.ids)][:2]
other = {"positive": "negative", "negative": "positive"}[films.set_index("id")["label"][here[0]]]
with open("decisions.csv", "w") as file:
    file.write(f"id,verdict,new_label\\n{here[0]},relabel,{other}\\n{here[1]},exclude,\\n")
subprocess.run(["turnover", "decide", "films", "decisions.csv"], check=True)
"""
# What the page says of the cells' results.
CHECKS = """
import json, urllib.request
assert urllib.request.urlopen(shown.url).status == 200
assert "<iframe" in shown._repr_html_()
assert decided["id"].tolist() == here
assert clean.set_index("id")["label"][here[0]] == other
assert len(clean) == len(films) - 1 and here[1] not in set(clean["id"])
assert scores.shape == (len(wrong_ones), 300)
print(json.dumps("as it says"))
"""


def test_the_cells_of_the_notebook_do_what_the_page_says(tmp_path):
    text = (DOCS / "tutorial-notebook.md").read_text("utf-8")
    cells = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    before = next(i for i, cell in enumerate(cells) if "shown.decisions()" in cell)
    script = "\n".join([*cells[:before], DECIDES, *cells[before:], CHECKS])
    try:
        assert run(tmp_path, sys.executable, "-c", script).endswith('"as it says"\n')
    finally:
        started = tmp_path / "home" / ".app.json"
        if started.is_file():
            os.kill(json.loads(started.read_text())["process"], signal.SIGTERM)
