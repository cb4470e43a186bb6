"""The wheel as a stranger gets it: installed elsewhere, started from an empty folder.

The libraries are those that the tests run with; of Turnover itself there is nothing but the wheel.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from browser import ROOT, chromium, free_port, needs_chromium, serving, settled
from tiny import sentences

from influence_core.installed import sample_names

pytestmark = pytest.mark.slow
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def run(*command, **options):
    """What a command prints; fails with what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder that `make dist` fills."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def place(dist, tmp_path_factory):
    """The folder of the programs of a new environment with the wheel."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, symlinks=True)
    python = root / "bin" / "python"
    (wheel,) = dist.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps",
        "--no-index", str(wheel))  # fmt: skip
    # A path in such a file is added alone: the editable checkout beside these libraries is not.
    (own,) = root.glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return root / "bin"


@pytest.fixture
def stranger(tmp_path):
    """Options of a process: an empty folder, a home of its own, nothing that leads to us."""
    folder = tmp_path / "empty"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {"cwd": folder, "env": {**kept, "TURNOVER_HOME": str(tmp_path / "home")}}


def test_both_files_have_what_the_product_needs_and_nothing_else(dist):
    assert {path.name for path in dist.iterdir()} == {
        f"turnover-{VERSION}.tar.gz",
        f"turnover-{VERSION}-py3-none-any.whl",
    }
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    inside = "influence_core/_dashboard/"
    for path in (ROOT / "pages").rglob("*"):
        if path.suffix in (".py", ".js", ".css"):
            assert inside + path.relative_to(ROOT).as_posix() in names
    assert f"{inside}sample_data/LICENSES.md" in names
    assert f"turnover-{VERSION}-py3-none-any.whl" in (ROOT / "README.md").read_text("utf-8")
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"influence_core", f"turnover-{VERSION}.dist-info"}


def test_the_program_says_what_it_is_and_that_nothing_is_missing(place, stranger):
    where = run(place / "python", "-c", "import influence_core as i; print(i.__file__)", **stranger)
    assert Path(where).is_relative_to(place.parent)
    assert run(place / "turnover", "--version", **stranger) == f"turnover {VERSION}\n"
    found = {line["name"]: line for line in json.loads(
        run(place / "turnover", "doctor", "--json", **stranger)
    )}  # fmt: skip
    assert found["turnover"]["what"].startswith(VERSION)
    assert all(name in found["dashboard"]["what"] for name in sample_names())


def test_a_csv_is_trained_on_and_explained(place, stranger):
    rows = enumerate(zip(*sentences(120), strict=True))  # every fourth label is wrong
    lines = [f"{text},{'good' if label ^ (i % 4 == 0) else 'bad'}" for i, (text, label) in rows]
    (stranger["cwd"] / "mine.csv").write_text("\n".join(["text,label", *lines]), "utf-8")
    run(place / "turnover", "new", "mine.csv", **stranger)
    run(place / "turnover", "train", "mine", "--size", "lean", "--epochs", "3", **stranger)
    told = json.loads(run(place / "turnover", "explain", "mine", "--json", **stranger))
    assert told["helpful"]
    assert told["harmful"]


@pytest.mark.browser
@needs_chromium
def test_the_dashboard_opens_an_item_of_a_sample(place, stranger, tmp_path):
    port = free_port()
    command = [place / "turnover", "app", "--port", str(port)]
    with serving(command, port, tmp_path / "log", **stranger) as url, chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-harmful_1").wait_for()
        settled(page)
        assert page.outside == []
    assert list(stranger["cwd"].iterdir()) == []
