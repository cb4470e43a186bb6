"""What the desk in the browser sends, read with distrust: anybody can send anything over a socket.

A part of another type or size than the desk sends counts as not sent. Whether a key, a class or a
verdict exists is for `workflow.review` to say, which refuses it in a sentence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from influence_core.errors import DataError
from influence_core.workflow.results import from_hex

MOST_WAITING = 1_000  # decisions on their way
MOST_TEXT = 10_000  # characters of a label or a note; a note may have less, and that is then said
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Pending:
    """A decision on its way to the database, the undoing of one (`of`, "" for the latest), or the
    rejection of what is proposed about a row.

    `place` names the project and the run where it was decided.
    """

    id: str
    place: str
    key: int = 0
    verdict: str = ""
    new_label: str | None = None
    note: str = ""
    undo: bool = False
    of: str = ""
    reject: bool = False


@dataclass(frozen=True)
class Message:
    """Where the browser is in its queue, and what it has decided.

    Attributes:
        queue: id of the queue that it is about.
        cursor: index of the row on screen.
        asked: how often rows have been asked for; `got` how often they came.
        at: index of the first row that is asked for.
        pending: decisions that the browser does not know to be stored.
        why: key of a row, where it is asked which rows made the model doubt its label.
    """

    queue: str
    cursor: int
    asked: int
    got: int
    at: int
    pending: tuple[Pending, ...]
    why: int | None = None


def read_message(value: Any) -> Message | None:
    """The message in a component's value; None if there is none."""
    if not isinstance(value, Mapping) or not isinstance(value.get("queue"), str):
        return None
    want = value.get("want") if isinstance(value.get("want"), Mapping) else {}
    sent = value.get("pending") if isinstance(value.get("pending"), list) else []
    pending = [_pending(one) for one in sent[:MOST_WAITING]]
    return Message(
        value["queue"],
        cursor=_count(value.get("cursor")),
        asked=_count(want.get("n")),
        got=_count(value.get("got")),
        at=_count(want.get("at")),
        pending=tuple(one for one in pending if one is not None),
        why=_key(value.get("why")),
    )


def _pending(one: Any) -> Pending | None:
    place = one.get("place") if isinstance(one, Mapping) else None
    if not isinstance(place, str) or not _matches(_ID, one.get("id")):
        return None
    if one.get("undo") is True:
        of = one.get("of")
        return Pending(one["id"], place, undo=True, of=of if _matches(_ID, of) else "")
    key = _key(one.get("key"))
    if key is None:
        return None
    if one.get("reject") is True:
        return Pending(one["id"], place, key, reject=True)
    label, note = one.get("new_label"), one.get("note")
    texts = [one.get("verdict"), note, *([] if label is None else [label])]
    if not all(isinstance(text, str) and len(text) <= MOST_TEXT for text in texts):
        return None
    return Pending(one["id"], place, key, one["verdict"], label, note.strip())


def _key(value: Any) -> int | None:
    try:
        return from_hex(value)
    except DataError:
        return None


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _count(value: Any) -> int:
    """A whole number from 0 that a browser can hold; anything else is 0."""
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if good else 0
