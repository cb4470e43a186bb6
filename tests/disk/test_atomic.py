import subprocess
import sys

import numpy as np
import pytest

from influence_core.disk.atomic import (
    atomic_file,
    atomic_folder,
    read_json,
    write_bytes,
    write_json,
    write_text,
)
from influence_core.errors import StoreError


def test_content_comes_back(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "ü\r\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "ü\r\n".encode()
    write_json(tmp_path / "a.json", {"n": np.float32(0.5), "v": np.arange(2), "p": tmp_path})
    assert read_json(tmp_path / "a.json") == {"n": 0.5, "v": [0, 1], "p": str(tmp_path)}


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "made"
    with pytest.raises(ZeroDivisionError), atomic_folder(path) as folder:
        (folder / "half").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(path) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a").write_text("x")
        assert not path.exists()
    assert (path / "deep" / "a").read_text() == "x"
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine").write_text("x")
    with pytest.raises(StoreError, match="exists already"), atomic_folder(tmp_path / "made"):
        pass
    assert [p.name for p in tmp_path.rglob("*")] == ["made", "mine"]


@pytest.mark.parametrize("parent", ["file/a", "file/deep/a"])
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, parent):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"Cannot write .*a: .*\."):
        write_text(tmp_path / parent, "y")


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on file size stands for the full disk: both fail in the middle of a write."""
    script = (
        "import resource, signal; from pathlib import Path\n"
        "from influence_core.errors import StoreError\n"
        "from influence_core.disk.atomic import write_bytes\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        f"path = Path({str(tmp_path / 'a.bin')!r})\n"
        "write_bytes(path, b'old')\n"
        "try: write_bytes(path, b'x' * 100_000)\n"
        "except StoreError as error: print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.startswith("Cannot write ")
    assert "larger than this system allows" in out.stdout
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_damaged_json_file_is_named(tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(StoreError, match=r"a\.json is damaged"):
        read_json(tmp_path / "a.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"Cannot read .*a\.json: it does not exist"):
        read_json(tmp_path / "a.json")


def test_what_is_no_json_is_a_programmers_error_and_writes_nothing(tmp_path):
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        write_json(tmp_path / "a.json", {"x": object()})
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_sees_half_a_file(tmp_path):
    """Another process reads all the while that this one replaces the file."""
    path = tmp_path / "a.bin"
    write_bytes(path, b"0" * 50_000)
    script = (
        f"from pathlib import Path; path = Path({str(path)!r}); stop = path.with_name('stop')\n"
        "print('reading', flush=True)\n"
        "while not stop.exists():\n"
        "    data = path.read_bytes()\n"
        "    assert len(data) == 50_000 and len(set(data)) == 1, len(data)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for digit in range(100):
            write_bytes(path, str(digit % 10).encode() * 50_000)
        (tmp_path / "stop").touch()
        assert reader.wait(600) == 0


def test_json_with_half_a_letter_is_damaged_and_whole_letters_are_not(tmp_path):
    path = tmp_path / "a.json"
    for text in ('{"file": "\\ud800"}', '{"\\uDC00x": 1}', '{"a": ["\\udbff\\u0041"]}'):
        path.write_text(text)
        with pytest.raises(StoreError, match="is damaged"):
            read_json(path)
    path.write_text('{"a": "\\ud83d\\ude00"}')
    assert read_json(path) == {"a": "\N{GRINNING FACE}"}
