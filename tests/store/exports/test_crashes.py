"""What is on the disk after an export was killed or ran out of space: the old state, or the new."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from influence_core.data.readers.registry import read_source
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import manifest_path
from influence_core.store.exports.revert import revert

# Imports once, then forks a child for every line of input: it exports one source over an earlier
# export and dies of SIGKILL at the n-th rename or the n-th report of progress, or may write no file
# larger than n bytes. Answers with the exit status and what was printed.
SERVER = """
import json, os, signal, sys
from pathlib import Path
from edits import Why, make_edits
from influence_core.data.readers.registry import read_source
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.export import export

def run(folder, form, what, count):
    dataset = read_source(folder / "data.csv")
    edits = make_edits(dataset, {int(dataset.train.keys[0]): None}, Why("test"))
    seen = 0

    def die(*_):
        nonlocal seen
        seen += 1
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)

    if what == "rename":
        sys.addaudithook(lambda event, args: die() if event == "os.rename" else None)
    if what == "limit":
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (count, count))
    options = ExportOptions(overwrite=True)
    tell = die if what == "progress" else None
    export(dataset, edits, folder / "out" / "clean", form, options, progress=tell)

for line in sys.stdin:
    folder, form, what, count = json.loads(line)
    read, write = os.pipe()
    if not (child := os.fork()):
        status = 0
        try:
            run(Path(folder), form, what, count)
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
            status = 3
        os._exit(status)
    os.close(write)
    said = os.fdopen(read, "rb").read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([status, said]), flush=True)
"""
SUPPORT = Path(__file__).parents[2] / "support"
DONE = 0
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def run():
    """Call with (folder, format, what, count); gives (exit status, what was said)."""
    command = [sys.executable, "-W", "ignore", "-c", SERVER]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
    ) as server:

        def ask(folder: Path, form: str, what: str, count: int) -> tuple[int, str]:
            server.stdin.write(json.dumps([str(folder), form, what, count]) + "\n")
            server.stdin.flush()
            status, said = json.loads(server.stdout.readline())
            return status, said

        yield ask
        server.stdin.close()


def _source(folder: Path, rows: int = 9000) -> bytes:
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "text": [f"a row of some length, number {i}" for i in range(rows)],
            "label": ["a", "b", "c"] * (rows // 3),
        }
    )
    frame.to_csv(folder / "data.csv", index=False)
    return (folder / "data.csv").read_bytes()


def _visible(folder: Path) -> dict[str, bytes]:
    """All that a user sees; names that start with a dot are not for him."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    relative = {p.relative_to(folder): p for p in files}
    return {
        str(name): path.read_bytes()
        for name, path in relative.items()
        if not any(part.startswith(".") for part in name.parts)
    }


@pytest.mark.parametrize("count", [1, 2])
def test_killed_while_writing_nothing_is_visible(tmp_path, run, count):
    _source(tmp_path)
    assert run(tmp_path, "csv", "progress", count)[0] == KILLED
    assert _visible(tmp_path / "out") == {}


def test_killed_while_writing_the_earlier_export_is_untouched(tmp_path, run):
    _source(tmp_path)
    export(read_source(tmp_path / "data.csv"), [], tmp_path / "out" / "clean", "csv")
    before = _visible(tmp_path / "out")
    assert run(tmp_path, "csv", "progress", 2)[0] == KILLED
    assert _visible(tmp_path / "out") == before


def test_killed_between_renames_the_export_still_reverts(tmp_path, run):
    """Whichever rename it dies at: a whole export, with a manifest that fits it."""
    original = _source(tmp_path, 30)
    out = tmp_path / "out" / "clean"
    export(read_source(tmp_path / "data.csv"), [], out, "csv")
    old = out.read_bytes()
    unchanged = []
    for count in range(1, 10):
        status, said = run(tmp_path, "csv", "rename", count)
        revert(manifest_path(out, folder=False), tmp_path / "back.csv", overwrite=True)
        assert (tmp_path / "back.csv").read_bytes() == original
        unchanged.append(out.read_bytes() == old)
        if status == DONE:
            break
        assert status == KILLED, said
    # It died before, between and after; the last try went through.
    assert unchanged[0]
    assert not unchanged[-1]
    assert len(unchanged) >= 4
    assert not list(out.parent.glob("*.pending"))


def test_killed_between_renames_of_a_folder_an_export_is_whole(tmp_path, run):
    """The earlier export, the new one, or for a moment the earlier one under another name."""
    _source(tmp_path, 30)
    out = tmp_path / "out" / "clean"
    export(read_source(tmp_path / "data.csv"), [], out, "hf")
    before, aside = _visible(out), out.with_name("clean.previous")
    for count in range(1, 12):
        status, said = run(tmp_path, "hf", "rename", count)
        if status == DONE:
            break
        assert status == KILLED, said
        if aside.is_dir():
            assert _visible(aside) == before
            aside.rename(out)
        assert _visible(out) == before
    assert status == DONE
    revert(out / "manifest.json", tmp_path / "back")
    assert not aside.exists()


@pytest.mark.parametrize("form", ["csv", "parquet", "hf"])
def test_a_disk_that_fills_up_leaves_the_earlier_export(tmp_path, run, form):
    """A real limit of the operating system on the size of files."""
    _source(tmp_path)
    export(read_source(tmp_path / "data.csv"), [], tmp_path / "out" / "clean", form)
    before = _visible(tmp_path / "out")
    status, said = run(tmp_path, form, "limit", 20_000)
    assert status == 3
    assert said.startswith("StoreError: Cannot write")
    assert _visible(tmp_path / "out") == before
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]


def test_a_full_disk_says_so(tmp_path):
    """A real full file system: 64 KiB in memory; skipped where it cannot be mounted."""
    _source(tmp_path)
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        with pytest.raises(Exception, match="the disk is full") as caught:
            export(read_source(tmp_path / "data.csv"), [], small / "a", "csv", ExportOptions())
        assert type(caught.value).__name__ == "StoreError"
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
