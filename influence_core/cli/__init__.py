"""The command line: one verb a command, each module holds the verbs of one room.

Exit codes: 0 done, 1 refused with one sentence on standard error, 2 wrong usage, 130 stopped on
request. Nothing heavy is imported before it is used: the help and the list of jobs answer at once.
"""

import sys
import traceback
from typing import Any

from typer.main import get_command

from influence_core.cli.common import app
from influence_core.visible import visible


def main() -> None:
    """Entry point of the console script."""
    sys.excepthook = _traceback
    get_command(app)()


def _traceback(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """What went wrong in us, with the data that it speaks of made visible."""
    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace))))
