"""The list of verbs: what it says of each is what the verb says, and nothing heavy is loaded."""

import inspect
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.cli.verbs import VERBS, loaded

HEAVY = {"torch", "numpy", "pandas", "pyarrow", "sklearn", "numba", "datasets", "sqlalchemy"}


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_says_what_the_verb_says(verb):
    command = loaded(verb)
    first, _, _ = inspect.cleandoc(command.help).partition("\n\n")
    assert VERBS[verb][1] == " ".join(first.split())
    assert command.callback.__module__ == f"influence_core.cli.{VERBS[verb][0]}"


def test_every_registered_verb_is_listed():
    for verb in VERBS:
        loaded(verb)
    assert {info.name for info in app.registered_commands} == set(VERBS)


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["jobs"], ["app", "--help"]])
def test_what_must_answer_at_once_loads_nothing_heavy(words, tmp_path):
    code = (
        f"import sys; sys.argv = ['turnover', *{words}]\n"
        "from influence_core.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    home = {"PATH": "", "HOME": str(tmp_path)}
    start = [sys.executable, "-c", code]
    done = subprocess.run(start, capture_output=True, text=True, env=home, check=False)
    assert done.returncode == 0, done.stderr
    loaded_names = {name.partition(".")[0] for name in done.stderr.split()}
    assert "typer" in loaded_names
    assert loaded_names & HEAVY == set()


@pytest.mark.parametrize("verb", VERBS)
def test_what_few_need_is_not_loaded_for_all(verb):
    """Whole networks, maps, Ray and the hub come when they are asked for."""
    code = (
        "import sys\nfrom influence_core.cli.verbs import loaded\n"
        f"loaded({verb!r})\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded_names = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded_names & {"accelerate", "umap", "ray", "torchvision", "transformers"} == set()


def test_a_mistyped_verb_is_named():
    answer = CliRunner().invoke(app, ["trian"])
    assert answer.exit_code == 2
    assert "No such command 'trian'" in answer.output


def test_the_version_is_printed():
    answer = CliRunner().invoke(app, ["--version"])
    assert answer.exit_code == 0
    assert answer.output.startswith("turnover ")
