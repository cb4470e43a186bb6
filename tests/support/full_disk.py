"""Verbs on a disk that is full, in a process that has mounted one of 6 MB at the given folder.

    unshare -rm sh -c "mount -t tmpfs -o size=6m tmpfs FOLDER && python full_disk.py FOLDER"

Prints a JSON object a line: the verb, how many kB were free, its exit code, what it said, and what
is new on the disk afterwards. Run by `tests/workflow/test_full_disk.py`.
"""

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.training.heads import checkpoint

FINETUNE = ["--mode", "finetune", "--encoder", "encoder", "--epochs", "2", "--batch", "8"]
HEAD = ["--members", "4", "--width", "256", "--epochs", "30"]


@contextmanager
def nearly_full(disk: Path, kilobytes: int) -> Iterator[None]:
    """So much is free for as long as the block runs."""
    gc.collect()  # a removed file that is still mapped takes room until then
    ballast = disk / "ballast"
    info = os.statvfs(disk)
    free = info.f_bavail * info.f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - kilobytes * 1024)
    try:
        yield
    finally:
        ballast.unlink()


def files(disk: Path) -> dict[str, bytes]:
    """Every file but locks, with its content; folders too, so that empty ones are seen."""
    found = {p: p.read_bytes() if p.is_file() else b"" for p in sorted(disk.rglob("*"))}
    return {str(p.relative_to(disk)): data for p, data in found.items() if p.suffix != ".lock"}


def tell(disk: Path, verb: list[str], kilobytes: int) -> None:
    """Run a verb with so much room and print what came of it."""
    before = files(disk)
    with nearly_full(disk, kilobytes):
        done = CliRunner().invoke(app, verb)
    after = files(disk)
    crash = done.exception if not isinstance(done.exception, SystemExit) else None
    new = sorted(name for name in after if after[name] != before.get(name, None))
    gone = sorted(set(before) - set(after))
    name = "finetune" if "finetune" in verb else verb[0]
    line = {"verb": name, "free": kilobytes, "code": done.exit_code, "said": done.stderr}
    print(json.dumps({**line, "crash": repr(crash), "new": new, "gone": gone}), flush=True)


def main(disk: Path) -> None:
    """Every verb that writes much, each with less room than it takes, then with enough."""
    checkpoint.SECONDS = 0.0
    os.environ["TURNOVER_HOME"] = str(disk)
    root = tiny.project(disk / "films").root
    tiny.encoder(root / "encoder")
    head = ["train", str(root), "--device", "cpu", *HEAD]
    network = ["train", str(root), "--device", "cpu", *FINETUNE]
    for free in (0, 8, 40, 100, 1500):
        tell(disk, head, free)
    for free in (0, 20, 60, 300):
        tell(disk, network, free)
    tell(disk, head, 1500)  # the newest run again, one that has learned something
    for verb in (
        ["evaluate", str(root), "--what", "lds", "--targets", "2", "--subsets", "10"],
        ["cleanse", str(root), "--by", "fraction", "--drop", "0.1"],
        ["export", str(root), "--out", str(disk / "out.csv")],
        ["labels", str(root), "--out", str(disk / "labels.csv")],
    ):
        for free in (0, 4000):
            tell(disk, verb, free)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
