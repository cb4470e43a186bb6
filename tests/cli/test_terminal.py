"""Whatever stands in the data, nothing that a verb prints steers the terminal or hides itself."""

import csv
import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import sentences
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.cli.common import err, out, print_table
from influence_core.jobs import Job
from influence_core.store.project import Project, projects_home
from influence_core.visible import visible, visible_json
from pages.ui.draw.text import plain

HOSTILE = {
    "escape": "\x1b",
    "colour": "\x1b[31mred",
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "bell": "\x07",
    "backspace": "safe\x08\x08\x08\x08evil",
    "return": "safe\revil",
    "c1 csi": "\x9b31mred",
    "c1 osc": "\x9d0;owned\x9c",
    "delete": "\x7f",
    "override": "abc\u202efed",
    "isolate": "\u2066abc\u2069",
    "mark": "\u200f",
    "zero width": "a\u200bb",
    "line separator": "a\u2028b",
    "tag": "a\U000e0041b",
    "markup": "[red]no[/red] [link=https://evil.example]x[/link] :smile:",
}
EVIL = " ".join(HOSTILE.values())
run = CliRunner().invoke


def hidden(text):
    """Characters of a text that act instead of being seen."""
    kinds = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    return {c for c in text if unicodedata.category(c) in kinds and c not in "\n\t"}


@pytest.fixture
def films(tmp_path):
    """A project whose classes, texts, ids and name are all hostile."""
    texts, labels = sentences(60)
    source = tmp_path / "films.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label"])
        for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
            writer.writerow([f"{i}{EVIL}", f"{text} {EVIL}", f"{'good' if label else 'bad'}{EVIL}"])
    return source


def printed(*words, code=0):
    answer = run(app, [str(word) for word in words])
    assert answer.exit_code == code, answer.output
    assert not hidden(answer.stdout + answer.stderr), hidden(answer.stdout + answer.stderr)
    return answer


def test_no_verb_lets_a_character_of_the_data_act(films, tmp_path):
    printed("new", films, "--name", "films")
    printed("train", "films", "--members", 4, "--width", 64, "--epochs", 30)
    key = int(Project.open(projects_home() / "films").dataset.train.keys[0])
    one = ["explain", "films", "--split", "train", "--item", f"{key:016x}"]
    assert "⟨U+202E⟩" in printed(*one, "--top", 2).stdout
    answer = json.loads(printed(*one, "--json").stdout)
    assert any(EVIL in name for name in answer["proba"])  # JSON still means the same
    printed("explain", "films", "--split", EVIL, code=1)
    printed("explain", "films", "--item", EVIL, code=1)
    printed("explain", EVIL, code=1)
    printed("errors", "films")
    printed("errors", "films", "--rows")
    printed("projects")
    printed("check", films)
    printed("labels", "films")
    printed("labels", "films", "--duplicates")
    printed("labels", "films", "--json")
    bad = tmp_path / "bad.csv"
    with bad.open("w", newline="", encoding="utf-8") as file:
        lines = [["id", "verdict", "new_label"], [f"0{EVIL}", "relabel", EVIL], [EVIL, "keep", ""]]
        csv.writer(file).writerows(lines)
    printed("decide", "films", bad, code=1)
    printed("decide", "films", bad, "--skip-bad", "--reviewer", "ann")
    printed("decisions", "films")
    printed("cleanse", "films", "--by", "count", "--drop", 3)
    printed("jobs", "films")
    printed("estimators", "films")
    printed("export", "films", "--out", tmp_path / f"{EVIL.replace('/', '')}.csv")


@pytest.mark.parametrize(
    "words",
    [("new", "a.csv", EVIL), ("explain", "films", f"--{EVIL}"), (EVIL,), ("jobs", f"--run={EVIL}"),
     ("train", "films", "--members", EVIL), ("new",)],
)  # fmt: skip
def test_wrong_usage_is_told_without_what_acts(words):
    assert "Error" in printed(*words, code=2).stderr


def test_tables_errors_and_bars_are_printed_by_consoles_that_write_codes_out(capsys):
    import pandas as pd

    print_table(EVIL, pd.DataFrame({EVIL: [EVIL]}))
    out.print(EVIL, markup=False)
    err.print(EVIL, markup=False)
    both = capsys.readouterr()
    assert not hidden(both.out + both.err)
    assert ":smile:" in both.out  # a sentence is not redrawn either
    assert "[red]" in both.out


def test_the_log_of_a_job_is_shown_with_its_codes_written_out(films, monkeypatch):
    printed("new", films, "--name", "films")
    root = Project.open(projects_home() / "films").root
    monkeypatch.setattr("influence_core.cli.jobs.find", lambda *_: Job)
    monkeypatch.setattr("influence_core.cli.jobs.log_tail", lambda _: EVIL)
    assert visible(EVIL) in printed("jobs", root, "--log", "any").stdout


def test_the_traceback_of_an_error_of_ours_is_made_visible_too():
    code = (
        "import sys\nfrom influence_core import cli\n"
        "@cli.app.command('break')\n"
        f"def broken() -> None:\n    raise RuntimeError({EVIL!r})\n"
        "sys.argv = ['turnover', 'break']\ncli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1
    told = done.stderr.decode("utf-8")
    assert "RuntimeError" in told
    assert not hidden(told)


@given(st.text(st.characters(codec=None)))
def test_what_is_visible_hides_nothing_and_json_keeps_its_meaning(text):
    assert not hidden(visible(text))
    assert not hidden(plain(text).replace("\u2060", ""))  # a joiner of our own breaks addresses
    assert visible(visible(text)) == visible(text)
    document = json.dumps([text], ensure_ascii=False)
    assert not hidden(visible_json(document))
    assert json.loads(visible_json(document)) == [text]


@pytest.mark.parametrize("name", ["escape", "bell", "return", "c1 csi", "override", "tag"])
def test_each_kind_is_written_out_as_its_code(name):
    code = next(c for c in HOSTILE[name] if hidden(c))
    assert f"⟨U+{ord(code):04X}⟩" in visible(HOSTILE[name])


def test_line_breaks_and_tabs_stay():
    assert visible("one\r\ntwo\n\tthree") == "one\ntwo\n\tthree"
