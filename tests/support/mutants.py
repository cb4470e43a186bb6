"""Break the code of some rooms in small ways, and count the tests that notice: `make mutants`.

mutmut makes the mutants (settings in pyproject.toml) in `mutants/` and runs, for each, the tests
that pass through the function. Compiled functions it cannot break; each has its oracle. A room has
hundreds to thousands, so a sample with a seed is tried:

    python tests/support/mutants.py [room ...] [--sample 60] [--seed 0]

Prints a table, and the line that each survivor changes. What was killed once is not tried again, so
it can be stopped and goes on, and after new tests it looks at the survivors alone; `rm -r mutants`
to begin again.
"""

import argparse
import json
import math
import os
import random
import sys
from contextlib import redirect_stdout
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MADE = ROOT / "mutants"
ROOMS = {
    "masks": ["influence_core/turnover/masks.py"],
    "scan": ["influence_core/influence/scan.py", "influence_core/influence/topk.py"],
    "ridge": ["influence_core/influence/estimators/ridge.py"],
    "replay": [
        "influence_core/influence/estimators/replay.py",
        "influence_core/training/heads/replay.py",
        "influence_core/training/heads/tape.py",
    ],
    "exports": ["influence_core/store/exports/*.py"],
    "reviews": ["influence_core/store/reviews/*.py"],
}
SURVIVED = {0: "survived", 33: "no test", None: "not run"}


def room_of(path):
    return next(room for room, files in ROOMS.items() if any(fnmatch(path, f) for f in files))


def made():
    """Every mutant with how its tests ended: name to room, file and exit code."""
    found = {}
    for meta in sorted(MADE.rglob("*.py.meta")):
        path = str(meta.relative_to(MADE)).removesuffix(".meta")
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            found[name] = (room_of(path), path, code)
    return found


def generate():
    """Bring the mutants up to date with the sources, without a test; mutmut has no verb for it."""
    from mutmut import __main__ as tool

    MADE.mkdir(exist_ok=True)
    for name in tool.config().also_copy:  # it copies over what was there, and leaves what went
        target = MADE / name
        if target.is_dir():
            tool.shutil.rmtree(target)
    with redirect_stdout(sys.stderr):
        tool.copy_src_dir()
        tool.copy_also_copy_files()
        tool.setup_source_paths()
        tool.create_mutants(1)


def change(name, path):
    """The lines that a mutant takes away and puts there."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    diff = get_diff_for_mutant(name, path=Path(path)).splitlines()[2:]
    return [line[0] + " " + line[1:].strip() for line in diff if line[:1] in ("-", "+")]


def bound(killed, tried):
    """Lower end of Wilson's 95 % interval: what a sample says of the whole room at least."""
    if not tried:
        return 0.0
    z, share = 1.96, killed / tried
    middle = share + z * z / (2 * tried)
    half = z * math.sqrt(share * (1 - share) / tried + z * z / (4 * tried * tried))
    return (middle - half) / (1 + z * z / tried)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", default=list(ROOMS))
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--children", type=int, default=1)
    asked = parser.parse_args()
    os.chdir(ROOT)
    # Processes that tests start must find the mutants, too, and not the sources.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(MADE), os.environ.get("PYTHONPATH", "")])
    from mutmut import __main__ as tool

    generate()
    every = made()
    names = []
    for room in asked.rooms:
        own = sorted(name for name, (place, _, _) in every.items() if place == room)
        names += random.Random(asked.seed).sample(own, min(asked.sample, len(own)))
    if left := [name for name in names if every[name][2] in SURVIVED]:
        tool._run(tuple(left), asked.children)

    results = made()
    print(
        "\n| room | mutants | tried | killed | share | at least (95 %) |\n|---|---|---|---|---|---|"
    )
    for room in ROOMS:
        own = [name for name in names if results[name][0] == room]
        alive = [name for name in own if results[name][2] in SURVIVED]
        there = sum(place == room for place, _, _ in results.values())
        killed = len(own) - len(alive)
        if own:
            print(f"| {room} | {there:,} | {len(own)} | {killed} | {killed / len(own):.0%} "
                  f"| {bound(killed, len(own)):.0%} |")  # fmt: skip
    for name in names:
        room, path, code = results[name]
        if code in SURVIVED:
            print(f"\n{SURVIVED[code]}: {name}")
            print("\n".join(change(name, path)))


if __name__ == "__main__":
    main()
