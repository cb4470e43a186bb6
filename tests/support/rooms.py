"""Coverage by room, from coverage's own JSON on standard input: `make coverage`."""

import json
import sys
from collections import Counter, defaultdict
from pathlib import PurePath

COUNTS = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def by_room(report):
    """Per folder of influence_core: counts of lines and branches, taken and all."""
    rooms = defaultdict(Counter)
    for name, file in report["files"].items():
        parts = PurePath(name).parts
        counts = {name: file["summary"][name] for name in COUNTS}
        rooms[parts[1] if len(parts) > 2 else "top"].update(counts)
    return rooms


def line(name, counts):
    lines = 100 * counts["covered_lines"] / max(counts["num_statements"], 1)
    branches = 100 * counts["covered_branches"] / max(counts["num_branches"], 1)
    return f"| {name} | {lines:.1f} % | {branches:.1f} % |"


if __name__ == "__main__":
    found = by_room(json.load(sys.stdin))
    print("| room | lines | branches |\n| --- | --- | --- |")
    for room in sorted(found):
        print(line(room, found[room]))
    print(line("all", sum(found.values(), Counter())))
