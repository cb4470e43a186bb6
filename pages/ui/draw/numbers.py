"""One way to write each kind of number."""

import math

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


def count(number: int) -> str:
    """12,345."""
    return f"{number:,}"


def _digits(value: float) -> int:
    if value == 0:
        return 3
    return max(0, min(6, 2 - math.floor(math.log10(abs(value)))))
