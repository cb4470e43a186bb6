"""What the README and the other documents promise exists."""

import ast
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import options_of

import influence_core
from influence_core import TurnoverClassifier

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = [
    block
    for page in PAGES
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.S)
]
COMMANDS = sorted(
    {line.split(" || ")[0] for line in re.findall(r"^turnover .*$", "\n".join(SHELL), re.M)}
)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_documents_exists_with_its_options(line):
    _, name, *rest = shlex.split(line, comments=True)
    assert {word for word in rest if word.startswith("--")} <= options_of(name)


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"^make (\w+)", README, re.M)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_methods_of_the_notebook_example_exist():
    for name in re.findall(r"model\.(\w+)\(", README):
        assert hasattr(TurnoverClassifier, name), name


def test_the_notebook_example_runs_as_it_stands():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4)).astype(np.float32)
    names = {"X": X, "y": (X[:, 0] > 0).astype(int), "X_test": X[:3], "y_test": [0, 1, 1]}
    (example,) = _python_blocks(README)
    exec(example, names)
    assert names["model"].flipped_proba().shape == (40, 2)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documents_import_from_the_public_door_alone(page):
    text = page.read_text("utf-8")
    # A command line of ours is no import: `python -m influence_core.cli`.
    inner = re.findall(r"(?<!-m )influence_core\.\w[\w.]*", text)
    assert not inner, inner
    for block in _python_blocks(text):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "influence_core":
                assert {name.name for name in node.names} <= set(influence_core.__all__)
    for line in re.findall(r"from influence_core import ([^\n#]+)", text):
        assert {name.strip() for name in line.split(",")} <= set(influence_core.__all__)


def _python_blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_files_that_the_documents_name_exist():
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text("utf-8")
        names = re.findall(r"\b((?:tests|benchmarks)/[\w/]+\.(?:md|py))\b", text)
        if page.name == "README.md":
            names += re.findall(r"`([\w/]+\.(?:md|py|toml))`", text)
            assert names
        for name in names:
            made_there = name == "benchmarks/gpu.md"  # by the benchmark, where there is a card
            assert made_there or (ROOT / name).is_file(), f"{page.name}: {name}"


def test_no_room_is_missing_from_the_architecture_page():
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for room in (ROOT / "influence_core").iterdir():
        if room.is_dir() and (room / "__init__.py").is_file():
            assert f"`{room.name}/`" in page, room.name


def _is_there(dotted):
    """Whether `room.module` or `room.module.name` stands in influence_core."""
    place, names = ROOT / "influence_core", dotted.split(".")
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    if names and (place / f"{names[0]}.py").is_file():
        place = place / f"{names.pop(0)}.py"
    else:
        place /= "__init__.py"
    return not names or re.search(rf"\b{names[0]}\b", place.read_text("utf-8")) is not None


def test_modules_named_in_the_code_exist():
    rooms = {p.stem for p in (ROOT / "influence_core").glob("[a-z]*") if p.suffix in ("", ".py")}
    found = []
    for folder in ("influence_core", "pages", "tests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name in re.findall(r"`([a-z_]\w*(?:\.\w+)+)`", path.read_text("utf-8")):
                is_file = name.endswith((".json", ".jsonl", ".toml", ".md"))
                if name.split(".")[0] in rooms and not is_file and not _is_there(name):
                    found.append(f"{path.name}: {name}")
    assert not found, "\n".join(found)


# Retired words and what is said instead; ARCHITECTURE has the glossary.
RETIRED = {
    "trunk": "encoder", "trunks": "encoder", "judge": "target split", "foretell": "predict",
    "foretells": "predict", "foretold": "predict", "mend": "fix", "mended": "fix",
    "lamp": "check", "lamps": "check", "forewarn": "warn", "anew": "again", "whoever": "who",
    "METHOD": "say it", "measured_here": "local", "measured_there": "cluster",
}  # fmt: skip
# What the screen said before, in words of its own; now in those that people know.
RETIRED_PHRASES = (
    "Prove it", "fall silent", "by heart", "deciding as", "Smallest set that flips", "within noise",
    "beyond noise", "Many at a time", "One at a time", "with a card", "Speaks for",
    "Self-influence", "Neighbours that agree", "doubling and halving",
)  # fmt: skip
# Old names that must still be read: of stored fields, of options, and of a shipped file.
KEPT = re.compile(
    r'trunk\.safetensors|(judge|trunk|lamps)=|"(trunk|judge)": "|called trunk|was trunk'
)


@pytest.mark.parametrize("phrase", RETIRED_PHRASES)
def test_the_screen_says_what_people_know(phrase):
    paths = [p for p in sorted((ROOT / "pages").rglob("*")) if p.suffix in (".py", ".js")]
    assert not [path.name for path in paths if phrase in path.read_text("utf-8")]


@pytest.mark.parametrize("folder", ["influence_core", "pages", "docs"])
def test_retired_words_are_gone(folder):
    found = []
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in (".py", ".js", ".md"):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                words = set(re.findall(r"\w+", KEPT.sub("", line))) & set(RETIRED)
                found += [f"{path.name}:{number}: {w} -> {RETIRED[w]}" for w in sorted(words)]
    assert not found, "\n".join(found)
