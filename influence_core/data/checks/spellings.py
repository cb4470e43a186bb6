"""What a class name means apart from how it is written: one class in two spellings, several, none.

Two names may be one class when they are equal in what is left after NFKC (full-width letters,
ligatures, composed accents), without invisible characters (zero-width ones, byte-order marks), in
any case, with blanks, '_' and '-' alike, without marks at the ends; as numbers ("01", "1.0"); as
yes and no, where all names are; or when each letter of Cyrillic or Greek is read as the Latin one
that it looks like. Nothing is changed by that: `labels` tells, `data.labelling` does what the user
says.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

# What `join` and `leave_out` take besides names.
ALIKE, FIRST, MISSING = "alike", "first", "missing"
# Letters that look the same in print: those of Unicode TR 39 that keyboards of Europe can type.
_LOOK = str.maketrans(
    "АВЕЅІЈКМНОРСТУХԌԚԜΑΒΕΖΗΙΚΜΝΟΡΤΥΧасԁеһіјӏорԛѕԝухονυι",
    "ABESIJKMHOPCTYXGQWABEZHIKMNOPTYXacdehijlopqswyxovui",
)
_TRUE = frozenset({"1", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "no", "n"})
_MISSING = frozenset(
    ["nan", "null", "none", "nil", "n/a", "na", "#n/a", "<na>", "nat", "missing", "undefined"]
) | {"no label", "unlabeled", "unlabelled", "-", "--", "---", "–", "—", "?", "??", "."}
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?(e[+-]?\d{1,2})?")  # text is in small letters
_ENDS = " .,;:!'\"`´‘’“”"
_SEPARATORS = "|;,/"


def plainly(name: str) -> str:
    """What is left of a name apart from its spelling; the name itself if that is nothing."""
    text = unicodedata.normalize("NFKC", name)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = " ".join(re.sub(r"(?<=\w)[-_](?=\w)", " ", text).split()).casefold()
    text = unicodedata.normalize("NFKC", text)
    text = text.strip(_ENDS) or text
    if _NUMBER.fullmatch(text):
        number = Decimal(text)
        return f"{number:.0f}" if number == number.to_integral_value() else f"{number.normalize()}"
    return text or name


def same_classes(names: Sequence[str]) -> list[list[str]]:
    """Groups of two names or more that may be one class, in the order of their first name."""
    plain = [plainly(name) for name in names]
    if {*plain} <= _TRUE | _FALSE:
        plain = ["1" if name in _TRUE else "0" for name in plain]
    up = list(range(len(names)))  # a name of the same group before it, or itself

    def root(i: int) -> int:
        while up[i] != i:
            up[i] = up[up[i]]
            i = up[i]
        return i

    first: dict[str, int] = {}
    for i, name in enumerate(names):
        for form in (plain[i], plainly(_as_latin(name))):
            a, b = root(first.setdefault(form, i)), root(i)
            up[max(a, b)] = min(a, b)
    found: dict[int, list[str]] = {}
    for i, name in enumerate(names):
        found.setdefault(root(i), []).append(name)
    return [members for members in found.values() if len(members) > 1]


def telling(names: Sequence[str]) -> list[str]:
    """The names in quotes, with codes where two of them would look the same on a screen."""
    looks = Counter(_as_latin(name) for name in names)
    return [repr(n) if looks[_as_latin(n)] == 1 else ascii(n) for n in names]


def missing_names(names: Iterable[str]) -> list[str]:
    """Names that read like "there is no label"."""
    return [n for n in names if plainly(n) in _MISSING or n.strip().casefold() in _MISSING]


def several_labels(names: Sequence[str]) -> dict[str, list[str]]:
    """Names that are lists of labels, and the labels; {} if they do not look like that.

    They do if they are written as JSON or Python lists, or if the parts between the same mark
    stand in two names or more on average, each: "a|b", "b", "a|c".
    """
    lists = {name: parts for name in names if (parts := _listed(name)) is not None}
    if len(lists) * 2 > len(names):
        return {name: parts for name, parts in lists.items() if len(parts) > 1}
    best: dict[str, list[str]] = {}
    for mark in _SEPARATORS:
        split = {name: [part.strip() for part in name.split(mark)] for name in names}
        joined = {name: parts for name, parts in split.items() if len(parts) > 1 and all(parts)}
        labels = Counter(part for name in names for part in split[name])
        if len(joined) > max(1, len(best)) and labels.total() >= 2 * len(labels):
            best = joined
    return best


def first_labels(names: Sequence[str]) -> dict[str, str]:
    """Each name that is a list, and the first label of it; lists of one label are opened too."""
    if not several_labels(names):
        return {}
    opened = {name: parts for name in names if (parts := _listed(name))}
    return {name: parts[0] for name, parts in (opened or several_labels(names)).items()}


def _listed(name: str) -> list[str] | None:
    text = name.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        parts = json.loads(text)
    except ValueError:
        parts = [part.strip().strip("'\"") for part in re.split(r"[,\s]+", text[1:-1]) if part]
    return [str(part) for part in parts]


def _as_latin(name: str) -> str:
    return unicodedata.normalize("NFKC", name).translate(_LOOK)
