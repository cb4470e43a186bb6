"""Every Python of the classifiers that is on this machine understands every source."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from browser import ROOT

VERSIONS = re.findall(
    r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8")
)  # fmt: skip
COMPILE = (
    "import sys, pathlib\n"
    "for name in sys.argv[1:]:\n"
    "    for path in pathlib.Path(name).rglob('*.py'):\n"
    "        compile(path.read_text('utf-8'), path, 'exec')\n"
)


def interpreter(version):
    """One on the path, or one of pyenv's, that starts; None if there is none."""
    found = [
        shutil.which(f"python{version}"),
        *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
    ]
    for program in filter(None, found):
        if not subprocess.run([program, "-V"], capture_output=True, check=False).returncode:
            return program
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_sources_are_understood_without_a_warning(version):
    program = interpreter(version)
    if program is None:
        pytest.skip(f"no Python {version} here")
    rooms = [str(ROOT / name) for name in ("influence_core", "pages", "tests")]
    done = subprocess.run(
        [program, "-W", "error", "-c", COMPILE, *rooms], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
