"""The command line: one verb a command, each module holds the verbs of one room.

Exit codes: 0 done, 1 refused with one sentence on standard error, 2 wrong usage, 130 stopped on
request.
"""

# Importing a module registers its verbs.
from influence_core.cli import basic, cleanse, explain, export, jobs, labels, map, trust  # noqa: F401
from influence_core.cli.common import app


def main() -> None:
    """Entry point of the console script."""
    app()
