"""The command line: one verb a command, each module holds the verbs of one room.

Exit codes: 0 done, 1 refused with one sentence on standard error, 2 wrong usage.
"""

from influence_core.cli import basic, cleanse, trust  # noqa: F401  (importing registers the verbs)
from influence_core.cli.common import app


def main() -> None:
    """Entry point of the console script."""
    app()
