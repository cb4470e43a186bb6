"""kill -9 at random moments of import, training, decisions, cleansing and export.

    python -m benchmarks.reliability kill [--kills 200] [--seed 0] [--verbs import export …]

Each verb starts in a copy of one and the same folder and is killed at a moment drawn evenly from
the time that it takes undisturbed; one that was done before does not count. Then all that can be
read is read: the outcome of the verb, and every file that was there before, must be that of before
or that of an undisturbed run. Then the same verb is started once more and must give, to the byte,
what an undisturbed run gives.
"""

import argparse
import hashlib
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from damage import prints
from killed import KILLED, Verbs
from tiny import sentences

from benchmarks.reliability.report import write
from influence_core.data.keys import to_hex
from influence_core.store.project import Project, list_projects
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.cleanse.cleansings import list_cleansings, load_cleansing

ROWS, DECIDED = 300, 100
HEAD = ["--device", "cpu", "--members", "2", "--width", "32", "--epochs", "8"]
# Databases differ in their bytes; their content is the outcome of decisions.
DATABASE = "reviews.db"


@dataclass(frozen=True)
class Verb:
    """A verb to kill.

    Attributes:
        name: for the table.
        arguments: in a given home.
        outcome: what it has left in a home, in full; equal for equal contents.
        again: exit statuses of a second try that are right.
    """

    name: str
    arguments: Callable[[Path], Sequence[object]]
    outcome: Callable[[Path], Hashable]
    again: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Places:
    """Homes of projects: before a verb, after it undisturbed, and one to kill in."""

    before: Path
    after: Path
    home: Path


@dataclass
class Count:
    """What came of the kills of one verb; sentences on what went wrong."""

    kills: int = 0
    before: int = 0  # nothing of it was there
    done: int = 0  # all of it was there
    half: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    left: int = 0  # temporary folders after the second try


def films(home: Path) -> Project:
    return Project.open(home / "films")


def imported(home: Path) -> Hashable:
    """Fingerprint and every text of each project; a damaged one would be missing."""
    folders = [path.parent.name for path in home.glob("[!.]*/project.toml")]
    found = list_projects(home)
    assert sorted(p.root.name for p in found) == sorted(folders)
    return tuple(
        (p.fingerprint, tuple(t for split in p.dataset for t in split.texts())) for p in found
    )


def trained(home: Path) -> Hashable:
    """The newest run's weights and tables, read with their checks; all others must open, too."""
    project = films(home)
    assert not project.damaged_runs()
    digest = hashlib.sha256()
    for record in project.runs()[::-1]:
        run, digest = project.run(record.id), hashlib.sha256()
        for name, tensor in sorted(run.tensors().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        digest.update(run.table("rows").to_csv().encode())
    return digest.hexdigest()


def decided(home: Path) -> Hashable:
    with closing(open_reviews(films(home))) as store:
        return tuple(
            (event.reviewer, event.decision.key, event.decision.verdict, event.decision.new_label)
            for event in store.events()
        )


def cleansed(home: Path) -> Hashable:
    """The rows of every cleansing, each read in full."""
    project = films(home)
    found = {load_cleansing(project, name).edits() for name in list_cleansings(project)}
    return tuple(sorted(str(edits) for edits in found))


def exported(home: Path) -> Hashable:
    """Bytes of the export; "" where there is none."""
    out = home / "out.csv"
    return out.read_bytes() if out.exists() else b""


VERBS = (
    Verb("import", lambda home: ["new", home / "films.csv", "--name", "films"], imported, (0, 1)),
    Verb("training", lambda home: ["train", home / "films", *HEAD], trained),
    Verb(
        "decisions",
        lambda home: ["decide", home / "films", home / "decided.csv", "--reviewer", "ann"],
        decided,
    ),
    Verb("cleansing", lambda home: ["cleanse", home / "films", "--device", "cpu"], cleansed),
    Verb(
        "export",
        lambda home: ["export", home / "films", "--decisions", "--out", home / "out.csv",
                      "--overwrite"],
        exported,
    ),
)  # fmt: skip


def source(home: Path) -> None:
    home.mkdir(parents=True)
    rows = zip(*sentences(ROWS), strict=True)
    lines = [f"n{i},{text},{'good' if y else 'bad'}" for i, (text, y) in enumerate(rows)]
    (home / "films.csv").write_text("\n".join(["id,text,label", *lines, ""]))


def decisions(home: Path) -> None:
    """A file of decisions about the project's first rows."""
    keys = films(home).dataset.train.keys[:DECIDED].tolist()
    lines = [f"{to_hex(key)},{'exclude' if i % 2 else 'keep'}" for i, key in enumerate(keys)]
    (home / "decided.csv").write_text("\n".join(["key,verdict", *lines, ""]))


def files(home: Path) -> dict[str, str]:
    """Every file but databases with the hash of its bytes."""
    return {name: it for name, it in prints(home).items() if DATABASE not in name}


def killed(verbs: Verbs, verb: Verb, places: Places, seconds: float, count: Count) -> None:
    """Kill once, look, try once more, look again."""
    home = places.home
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(places.before, home)
    before, done = verb.outcome(places.before), verb.outcome(places.after)
    if verbs.run(home, verb.arguments(home), seconds=seconds).status != KILLED:
        return
    count.kills += 1
    found, now, after = verb.outcome(home), files(home), files(places.after)
    count.before += found == before
    count.done += found == done
    odd = [
        name for name, it in files(places.before).items() if now.get(name) not in (it, after[name])
    ]
    if found not in (before, done) or odd:
        count.half.append(f"{verb.name} after {seconds:.3f} s: {odd or 'half there'}")
    status = verbs.run(home, verb.arguments(home)).status
    if status not in verb.again or (status and found != done) or verb.outcome(home) != done:
        count.again.append(f"{verb.name} after {seconds:.3f} s: the second try ended with {status}")
    count.left += len(list(home.rglob(".tmp-*")))


def undisturbed(verbs: Verbs, verb: Verb, places: Places) -> float:
    """Seconds that a verb takes; it leaves the place `after`."""
    shutil.copytree(places.before, places.after)
    ending = verbs.run(places.after, verb.arguments(places.after))
    assert ending.status == 0, verb.name
    return ending.seconds


NAMES = tuple(verb.name for verb in VERBS)


def walk(
    kills: int,
    seed: int,
    work: Path,
    chosen: Sequence[str] = NAMES,
    tell: Callable[[dict[str, Count]], None] = lambda found: None,
) -> dict[str, Count]:
    """All verbs, one after another; those that are chosen are killed, each its share of times."""
    draw, before = random.Random(seed), work / "source"
    found: dict[str, Count] = {}
    source(before)
    with Verbs(subprocess.DEVNULL) as verbs:
        for verb in VERBS:
            places = Places(before, work / verb.name, work / "home")
            seconds = undisturbed(verbs, verb, places)
            if verb.name in chosen:
                count = found[verb.name] = Count()
                while count.kills < kills // len(chosen):
                    killed(verbs, verb, places, draw.uniform(0, seconds), count)
                print(verb.name, f"{seconds:.2f} s", count, flush=True)
                tell(found)
            before = places.after
            if verb.name == "import":
                decisions(before)
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", nargs="+", choices=NAMES, default=NAMES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = walk(
            asked.kills, asked.seed, Path(folder), asked.verbs, partial(report, asked.seed)
        )
    for count in found.values():
        print(*count.half, *count.again, sep="\n")


def report(seed: int, found: dict[str, Count]) -> None:
    """The table of the verbs so far."""
    head = ("killed in", "kills", "nothing was there", "all was there", "half there",
            "second try failed or differs", "temporary folders left")  # fmt: skip
    rows = [(name, c.kills, c.before, c.done, len(c.half), len(c.again), c.left)
            for name, c in found.items()]  # fmt: skip
    total = [sum(row[i] for row in rows) for i in range(1, len(head))]
    write("kill", f"{ROWS} rows, seed {seed}", [head, *rows, ("all", *total)])


if __name__ == "__main__":
    main()
