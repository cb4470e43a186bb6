"""Verbs on a disk that is read-only, in a process that has mounted one at the given folder.

    unshare -rm sh -c "mount -t tmpfs -o size=64m tmpfs FOLDER && python read_only_disk.py FOLDER"

Prints a JSON object a line: the verb, its exit code, what it said, and whether it broke. Run by
`tests/workflow/test_full_disk.py`.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project

HEAD = ["--members", "4", "--width", "64", "--epochs", "20"]
FINETUNE = ["--mode", "finetune", "--encoder", "encoder", "--epochs", "1", "--batch", "8"]


def run(verb: list[str]) -> dict[str, object]:
    """What came of a verb."""
    done = CliRunner().invoke(app, verb)
    crash = done.exception if not isinstance(done.exception, SystemExit) else None
    name = " ".join(word for word in verb if not word.startswith("/"))
    return {"verb": name, "code": done.exit_code, "said": done.stderr, "crash": repr(crash)}


def make(disk: Path) -> None:
    """A project with a run, a cleansing and a decision, and files to be read."""
    root = tiny.project(disk / "home" / "films", 60).root
    tiny.encoder(root / "encoder")
    lines = [f"a {word} film {i},{word}" for word in ("good", "bad") for i in range(20)]
    (disk / "new.csv").write_text("\n".join(["text,label", *lines]))
    with (disk / "decisions.csv").open("w", newline="") as file:
        some = Project.open(root).dataset.train.ids[0]
        csv.writer(file).writerows([["id", "verdict", "new_label"], [some, "keep", ""]])
    for verb in (
        ["train", str(root), "--device", "cpu", *HEAD],
        ["cleanse", str(root), "--by", "fraction", "--drop", "0.1"],
        ["decide", str(root), str(disk / "decisions.csv"), "--reviewer", "ann"],
    ):
        assert run(verb)["code"] == 0, verb


def main(disk: Path) -> None:
    """Make all in a process that leaves no file open, then take the right to write away."""
    os.environ["TURNOVER_HOME"] = str(disk / "home")
    root = disk / "home" / "films"
    if (child := os.fork()) == 0:
        make(disk)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    item = f"{int(Project.open(root).dataset.split('test').keys[0]):016x}"
    for verb in (
        ["new", str(disk / "new.csv")],
        ["train", str(root), "--device", "cpu", *HEAD],
        ["train", str(root), "--device", "cpu", *FINETUNE],
        ["explain", str(root), "--item", item],
        ["explain", str(root), "--item", item, "--scores", str(disk / "all.npy")],
        ["verify", str(root), "--item", item],
        ["evaluate", str(root), "--what", "lds", "--targets", "2", "--subsets", "10"],
        ["labels", str(root)],
        ["labels", str(root), "--out", str(disk / "labels.csv")],
        ["decide", str(root), str(disk / "decisions.csv"), "--reviewer", "bob"],
        ["decisions", str(root)],
        ["decisions", str(root), "--out", str(disk / "out.csv")],
        ["cleanse", str(root), "--by", "fraction", "--drop", "0.1"],
        ["trial", str(root), "--seeds", "2"],
        ["export", str(root), "--out", str(disk / "export.csv")],
        ["map", str(root)],
        ["report", str(root), "--out", str(disk / "report.html")],
        ["jobs", str(root)],
        ["separate", str(root)],
    ):
        print(json.dumps(run(verb)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
