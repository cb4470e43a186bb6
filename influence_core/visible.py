"""Make text that came as data safe to look at, on a terminal as on a page.

A class name or a sentence may hold an escape sequence that moves the cursor or sets the title of a
terminal, or a character that turns the direction of the words beside it. Each of these is written
out as its code instead. Every printed line and every text of a page goes through `visible`.
"""

import json
import unicodedata
from collections.abc import Callable

# Control, format, private and lone surrogate characters, and separators of lines and paragraphs.
_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_KEPT = {ord("\n"), ord("\t")}


class _Codes(dict[int, str]):
    """What each character is replaced by; filled at first use."""

    def __init__(self, written: Callable[[str], str]) -> None:
        super().__init__()
        self._written = written

    def __missing__(self, code: int) -> str:
        character = chr(code)
        hidden = code not in _KEPT and unicodedata.category(character) in _CATEGORIES
        self[code] = self._written(character) if hidden else character
        return self[code]


_FOR_PEOPLE = _Codes(lambda character: f"⟨U+{ord(character):04X}⟩")
_FOR_MACHINES = _Codes(lambda character: json.dumps(character)[1:-1])


def visible(text: str) -> str:
    """The text with control and direction characters written out, such as ⟨U+202E⟩.

    Line breaks and tabs stay; a Windows line break counts as one.
    """
    return text.replace("\r\n", "\n").translate(_FOR_PEOPLE)


def visible_json(document: str) -> str:
    r"""A JSON document with the same characters as ``\uXXXX``: it still means the same."""
    return document.translate(_FOR_MACHINES)
