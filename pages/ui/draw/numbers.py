"""One way to write each kind of number."""

import math
from datetime import datetime

import pandas as pd

NONE = "–"  # where nothing was measured, such as the self-influence of a row without a label


def influence(value: float, stderr: float = math.nan) -> str:
    """+0.123 ± 0.010: the sign always there, three significant figures, the error to the same."""
    if not math.isfinite(value):
        return NONE
    digits = _digits(value)
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text if not math.isfinite(stderr) else f"{text} ± {stderr:.{digits}f}"


def percent(share: float, digits: int = 0) -> str:
    """A share in [0, 1] as 12 %."""
    if not math.isfinite(share):
        return NONE
    return f"{100 * share:.{digits}f}\u00a0%"  # never broken before the sign


def points(share: float, digits: int = 1) -> str:
    """A difference of shares as +1.2 points, the sign always there."""
    if not math.isfinite(share):
        return NONE
    return f"{100 * share:+.{digits}f} points".replace("-", "−")


def figure(value: float) -> str:
    """A number of any size with three significant figures: 0.00123, 12.3, 1,230."""
    if not math.isfinite(value):
        return NONE
    return f"{float(f'{value:.3g}'):,.{_digits(value)}f}".replace("-", "−")


def milliseconds(value: float) -> str:
    """0.123 ms, 12.3 ms, 1.23 s."""
    return f"{figure(value / 1000)} s" if value >= 1000 else f"{figure(value)} ms"


def count(number: int) -> str:
    """12,345."""
    return f"{number:,}"


def many(number: int, name: str) -> str:
    """1 row, 12,345 rows."""
    return f"{count(number)} {name}{'' if number == 1 else 's'}"


def day(iso: str) -> str:
    """28 Nov 2026, of a time in ISO 8601."""
    return datetime.fromisoformat(iso).strftime("%d %b %Y").lstrip("0")


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The table with three significant figures, as nobody reads more in a column of a page."""
    floats = table.select_dtypes("float").map(lambda value: float(f"{value:.3g}"))
    return table.assign(**floats)


def _digits(value: float) -> int:
    if value == 0:
        return 3
    return max(0, min(6, 2 - math.floor(math.log10(abs(value)))))


def percent_range(text: str) -> tuple[int, int]:
    """A range in an address, "20-90", in per cent; all of it if it says nothing of the kind."""
    low, _, high = text.partition("-")
    # int() refuses thousands of digits.
    short = all(part.isdecimal() and len(part) <= 3 for part in (low, high))
    if not short or not 0 <= int(low) <= int(high) <= 100:
        return 0, 100
    return int(low), int(high)
