"""Put what was measured in its place in docs/reliability.md."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def write(part: str, told: str, rows: Iterable[Sequence[object]], *, page: Path = PAGE) -> None:
    """Replace the table between `<!-- part -->` and `<!-- end part -->`; print it, too.

    Args:
        part: name of the command.
        told: one line on how it was run.
        rows: the first is the head.
    """
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    where = f"{date.today():%d %B %Y}, Python {platform.python_version()}, {os.cpu_count()} cores"
    command = f"`python -m benchmarks.reliability {part}`"
    text = f"<!-- {part} -->\n{command}: {told} ({where}).\n\n{table}\n"
    print(text)
    old = page.read_text("utf-8")
    block = re.compile(f"<!-- {part} -->\n.*?(?=<!-- end {part} -->)", re.DOTALL)
    new, count = block.subn(lambda _: text, old)
    if count != 1:
        raise SystemExit(f"{page.name} has {count} places for {part!r}; it must have one.")
    page.write_text(new, "utf-8")
