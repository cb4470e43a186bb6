"""Dataclasses of plain values from JSON that anybody may have edited: their types are checked here.

Readers of `run.json` and `evaluation.json` call `build`, so that a wrong value is refused where it
is read and not where it is first used.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from influence_core.errors import StoreError

T = TypeVar("T")


def build(kind: type[T], value: Any, place: str) -> T:
    """An instance of this dataclass.

    Args:
        kind: with fields of numbers, texts, truth values, mappings, choices and None.
        value: a JSON object.
        place: file and part of it, for the message.

    Raises:
        StoreError: a field is missing, unknown or of another type; names them.
    """
    if not isinstance(value, dict):
        raise StoreError(f"{place} is damaged (it is no object); restore it or train again.")
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    wrong = {name for name, v in value.items() if name not in known or not _fits(v, hints[name])}
    wrong |= {
        name
        for name, f in known.items()
        if name not in value and f.default is MISSING and f.default_factory is MISSING
    }
    if wrong:
        raise StoreError(
            f"{place} is damaged ({', '.join(sorted(wrong))} is missing, unknown or of another "
            "type); restore it or train again."
        )
    return kind(**value)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value may stand where this type is wanted."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, dict) and _all_fit(value, get_args(hint)[1])
    if hint is float:
        return _is_finite(value)
    # True is an int in Python, but not in a file.
    return hint is Any or (
        isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    )


def _all_fit(value: dict[str, Any], hint: Any) -> bool:
    if hint is float:  # measured figures, which may be NaN; settings may not
        return all(isinstance(v, int | float) for v in value.values())
    return all(_fits(v, hint) for v in value.values())


def _is_finite(value: Any) -> bool:
    """A number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)
