"""Dataclasses from stored JSON that anybody may have edited: every type is checked here.

Every reader of a stored format calls `build`, after `disk.formats` has brought the value to the
current version, so a wrong value is refused where it is read and not where it is first used.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from influence_core.errors import StoreError, TurnoverError

T = TypeVar("T")
ADVICE = "restore it from a copy"


@dataclass(frozen=True)
class Stored:
    """Marks a field that has another form in JSON: `Annotated[int, Stored(from_hex)]`.

    Attributes:
        read: the stored form to the value; raises ValueError, TypeError or a TurnoverError.
    """

    read: Callable[[Any], Any]


def build(kind: type[T], value: Any, place: object, advice: str = ADVICE) -> T:
    """This dataclass from a JSON object; fields that it does not know are passed over.

    Args:
        kind: with fields of numbers, texts, truth values, choices, None, dataclasses, and
            mappings, tuples and sets of them.
        value: a JSON object.
        place: file and part of it, for the message.
        advice: what to do about a damaged one, for the message.

    Raises:
        StoreError: a field is missing or of another type; names all of them.
    """
    wrong: list[str] = []
    made = _read(kind, value, "", wrong)
    if wrong:
        named = ", ".join(sorted(name or "all of it" for name in wrong))
        raise StoreError(f"{place} is damaged (missing or of a wrong type: {named}); {advice}.")
    return made


def _read(hint: Any, value: Any, name: str, wrong: list[str]) -> Any:
    """The value as this type; where it does not fit, its name goes to `wrong`."""
    origin, inner = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return _read_fields(hint, value, name, wrong)
    if origin is Annotated:
        return _read_marked(inner, value, name, wrong)
    if origin in (Union, UnionType):
        return _read_first(inner, value, name, wrong)
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        # Measured figures may be NaN; settings may not.
        each = Figure if inner[1] is float else inner[1]
        return {k: _read(each, v, f"{name}.{k}", wrong) for k, v in value.items()}
    if origin in (tuple, frozenset) and isinstance(value, list):
        same = origin is frozenset or inner[-1] is ...
        hints = inner[:1] * len(value) if same else inner
        if len(hints) == len(value):
            parts = enumerate(zip(hints, value, strict=True))
            return origin(_read(each, v, f"{name}.{i}", wrong) for i, (each, v) in parts)
    if not _fits(hint, value):
        wrong.append(name)
    return value


def _read_fields(kind: Any, value: Any, name: str, wrong: list[str]) -> Any:
    if not isinstance(value, dict):
        wrong.append(name)
        return None
    hints, before, made = get_type_hints(kind, include_extras=True), len(wrong), {}
    for field in fields(kind):
        inner = f"{name}.{field.name}".strip(".")
        if field.name in value:
            made[field.name] = _read(hints[field.name], value[field.name], inner, wrong)
        elif field.default is MISSING and field.default_factory is MISSING:
            wrong.append(inner)
    return kind(**made) if len(wrong) == before else None


def _read_marked(hint: tuple[Any, ...], value: Any, name: str, wrong: list[str]) -> Any:
    marks = [mark for mark in hint[1:] if isinstance(mark, Stored)]
    if not marks:
        return _read(hint[0], value, name, wrong)
    try:
        return marks[0].read(value)
    except (ValueError, TypeError, TurnoverError):
        wrong.append(name)
        return None


def _read_first(hints: tuple[Any, ...], value: Any, name: str, wrong: list[str]) -> Any:
    """The first of these types that fits; where none does, the one that was nearest is named."""
    nearest: list[str] = []
    for hint in hints:
        trouble: list[str] = []
        made = _read(hint, value, name, trouble)
        if not trouble:
            return made
        nearest = max(nearest, trouble, key=lambda names: max(map(len, names), default=-1))
    wrong.extend(nearest)
    return None


class Figure:
    """Stands for a measured number, which may be NaN."""


def _fits(hint: Any, value: Any) -> bool:
    """Whether a JSON value of one piece may stand where this type is needed."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is Figure:
        return isinstance(value, int | float)
    if hint is float:
        return _is_finite(value)
    # True is an int in Python, but not in a file.
    return hint is Any or (
        isinstance(hint, type)
        and isinstance(value, hint)
        and (hint is bool or not isinstance(value, bool))
    )


def _is_finite(value: Any) -> bool:
    """A number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)
