"""What a spreadsheet does to keys, ids and labels when a CSV is opened and saved.

Leading zeros go, `1-2` becomes a date, sixteen digits become `1.23457E+15`, `true` becomes `TRUE`.
Nothing is put right by guessing; the message names the value that was there.
"""

import re
from collections.abc import Iterable

# A key of digits, or of digits and one "e", as a spreadsheet writes a number of that size.
SPOILED_KEY = re.compile(r"\d([.,]\d+)?e[+-]?\d+|\d{1,15}|\d{13,16}0+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBERS = re.compile(r"\d+|[a-z]{3,}")


def meant(value: str, known: Iterable[str]) -> str:
    """ ", which a spreadsheet may have made of '03'", or "" where nothing known looks like that."""
    found = [name for name in known if name != value and _alike(value, name)]
    if not found:
        return ""
    names = " or ".join(f"'{name}'" for name in found[:3])
    return f", which a spreadsheet may have made of {names}"


def _alike(value: str, name: str) -> bool:
    if value.strip().casefold() == name.strip().casefold():
        return True
    one, two = _number(value), _number(name)
    if one is not None and one == two:
        return True
    date = _date(value)
    return date is not None and _date(name) == date


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _date(text: str) -> frozenset[int] | None:
    """Day and month of what reads like a short date, in any order."""
    parts = _NUMBERS.findall(text.casefold())
    numbers = [_MONTHS.index(p[:3]) + 1 if p[:3] in _MONTHS else p for p in parts]
    found = [int(part) for part in numbers if isinstance(part, int) or part.isdigit()]
    if len(found) != len(parts) or not 2 <= len(found) <= 3 or text.strip().isalnum():
        return None
    return frozenset(found[:2]) if max(found[:2]) <= 31 else None
