"""Dataclasses from stored JSON that anybody may have edited: every type is checked here.

Every reader of a stored format calls `build`, after `disk.formats` has brought the value to the
current version, so a wrong value is refused where it is read and not where it is first used.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from influence_core.errors import StoreError, TurnoverError

T = TypeVar("T")
ADVICE = "restore it from a copy"
Reader = Callable[[Any, str, list[str]], Any]  # value, its name, names of what is wrong
Writer = Callable[[Any], Any]


@dataclass(frozen=True)
class Stored:
    """Marks a field that has another form in JSON: `Annotated[int, Stored(from_hex, to_hex)]`.

    Attributes:
        read: the stored form to the value; raises ValueError, TypeError or a TurnoverError.
        write: the value to its stored form.
    """

    read: Callable[[Any], Any]
    write: Writer


# A measured number, which may be NaN or infinite; a setting may not.
Figure = Annotated[float, Stored(lambda value: 0.0 + value, lambda value: value)]


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
    hint: Any = kind
    made: T = _reader(hint)(value, "", wrong)
    if wrong:
        named = ", ".join(sorted(name or "all of it" for name in wrong))
        raise StoreError(f"{place} is damaged (missing or of a wrong type: {named}); {advice}.")
    return made


def plain(record: Any) -> dict[str, Any]:
    """The JSON object of a dataclass, from which `build` makes it again."""
    return {
        name: value if write is None else write(value)
        for name, write in _writers(record.__class__)
        for value in (getattr(record, name),)
    }


@cache
def _reader(hint: Any) -> Reader:
    """What reads this type."""
    origin, inner = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        needed = {f.name for f in fields(hint) if f.default is f.default_factory is MISSING}
        readers = {f.name: _reader(hints[f.name]) for f in fields(hint)}
        return partial(_read_fields, hint, readers, needed)
    if origin is Annotated:
        return partial(_read_marked, inner[1])
    if origin in (Union, UnionType):
        return partial(_read_first, [_reader(one) for one in inner])
    if origin in (dict, Mapping):
        return partial(_read_mapping, _reader(inner[1]))
    if origin in (tuple, frozenset):
        each = None if inner[-1] is not ... and origin is tuple else _reader(inner[0])
        return partial(_read_sequence, origin, each, [_reader(one) for one in inner if not each])
    return partial(_read_one, _test(hint))


def _read_fields(
    kind: Any,
    readers: Mapping[str, Reader],
    needed: set[str],
    value: Any,
    name: str,
    wrong: list[str],
) -> Any:
    if not isinstance(value, dict):
        wrong.append(name)
        return None
    before, start = len(wrong), f"{name}." if name else ""
    wrong.extend(start + field for field in needed - value.keys())
    made = {f: read(value[f], start + f, wrong) for f, read in readers.items() if f in value}
    return kind(**made) if len(wrong) == before else None


def _read_marked(mark: Stored, value: Any, name: str, wrong: list[str]) -> Any:
    try:
        return mark.read(value)
    except (ValueError, TypeError, TurnoverError):
        wrong.append(name)
        return None


def _read_first(readers: list[Reader], value: Any, name: str, wrong: list[str]) -> Any:
    """The first of these types that fits; where none does, the one that was nearest is named."""
    nearest: list[str] = []
    for read in readers:
        trouble: list[str] = []
        made = read(value, name, trouble)
        if not trouble:
            return made
        nearest = max(nearest, trouble, key=lambda names: max(map(len, names), default=-1))
    wrong.extend(nearest)
    return None


def _read_mapping(each: Reader, value: Any, name: str, wrong: list[str]) -> Any:
    if not isinstance(value, dict):
        wrong.append(name)
        return None
    return {key: each(v, f"{name}.{key}", wrong) for key, v in value.items()}


def _read_sequence(
    kind: Any, each: Reader | None, one_each: list[Reader], value: Any, name: str, wrong: list[str]
) -> Any:
    """Any number of one type, or one each of several."""
    readers = [each] * len(value) if each and isinstance(value, list) else one_each
    if not isinstance(value, list) or len(readers) != len(value):
        wrong.append(name)
        return None
    parts = enumerate(zip(readers, value, strict=True))
    return kind(read(v, f"{name}.{i}", wrong) for i, (read, v) in parts)


def _read_one(fits: Callable[[Any], bool], value: Any, name: str, wrong: list[str]) -> Any:
    if not fits(value):
        wrong.append(name)
    return value


def _test(hint: Any) -> Callable[[Any], bool]:
    """Whether a JSON value of one piece may stand where this type is needed."""
    if get_origin(hint) is Literal:
        return lambda value: value in get_args(hint)
    if hint is float:
        return _is_finite
    if hint in (Any, NoneType, bool):
        return lambda value: hint is Any or isinstance(value, hint)
    # True is an int in Python, but not in a file.
    return lambda value: isinstance(value, hint) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    """A number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)


@cache
def _writers(kind: Any) -> tuple[tuple[str, Writer | None], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((f.name, _writer(hints[f.name])) for f in fields(kind))


def _writer(hint: Any) -> Writer | None:
    """What writes this type; None writes it as it is."""
    origin, inner = get_origin(hint), get_args(hint)
    if is_dataclass(hint) or any(map(is_dataclass, inner if origin in (Union, UnionType) else ())):
        return lambda value: plain(value) if is_dataclass(value) else value
    if origin is Annotated:
        return inner[1].write
    if origin in (dict, Mapping, tuple, frozenset):
        each = _writer(inner[1 if origin in (dict, Mapping) else 0]) or (lambda value: value)
        if origin in (dict, Mapping):
            return lambda value: {key: each(v) for key, v in value.items()}
        in_order = sorted if origin is frozenset else iter
        return lambda value: [each(v) for v in in_order(value)]
    return None
