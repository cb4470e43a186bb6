"""What a review is made of: an action of one reviewer, appended as one event a row.

Events are never changed or deleted. An action covers one row or thousands and is written whole or
not at all; its id makes writing it twice harmless; taking it back is one more event. What the
events mean together is told by `state`, where they are kept by `store`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from influence_core.data.keys import to_hex
from influence_core.errors import DataError

# Verdict to what it says, for menus, the command line and error messages.
VERDICTS: dict[str, str] = {
    "relabel": "the label is wrong; give the row the new label",
    "exclude": "leave the row out of training",
    "keep": "the label is right",
    "unsure": "looked at, could not tell",
}
FAULTY = ("relabel", "exclude")  # verdicts that find a label wrong
MAX_NOTE = 4_000
MAX_NAME = 100


@dataclass(frozen=True)
class Decision:
    """A verdict about one row.

    Attributes:
        key: the row's 64-bit key.
        content_hash: hash of its content when it was looked at.
        verdict: one of `VERDICTS`.
        old_label: class name that the row had, None if it had none.
        new_label: class name for "relabel", else None.
        note: free text.
    """

    key: int
    content_hash: int
    verdict: str
    old_label: str | None
    new_label: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what no later reader could make sense of."""
        if self.verdict not in VERDICTS:
            raise DataError(f"'{self.verdict}' is not a verdict; there are {', '.join(VERDICTS)}.")
        if (self.verdict == "relabel") != (self.new_label is not None):
            raise DataError(
                f"Row {to_hex(self.key)}: a new label belongs to the verdict 'relabel' and to no "
                "other; give it one or choose another verdict."
            )
        if self.verdict == "relabel" and self.new_label == self.old_label:
            raise DataError(
                f"Row {to_hex(self.key)} is labelled '{self.old_label}' already; choose another "
                "label, or the verdict 'keep'."
            )
        if len(self.note) > MAX_NOTE:
            raise DataError(f"A note may have {MAX_NOTE:,} characters; shorten it.")
        _check_text(self.note, "A note")


def _check_text(text: str, what: str) -> None:
    """Refuse what SQLite (half of a surrogate pair) or PostgreSQL (a NUL as well) cannot store."""
    bad = next((c for c in text if c == "\0" or "\ud800" <= c <= "\udfff"), None)
    if bad is not None:
        raise DataError(
            f"{what} holds the character U+{ord(bad):04X}, which no database stores; remove it."
        )


def new_action() -> str:
    """An id for an action; a caller that may send the action twice makes it before."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Action:
    """One step of one reviewer: a decision, a bulk of them, or taking back an earlier action.

    Attributes:
        reviewer: who.
        decisions: about which rows, each at most once.
        fingerprint: of the data set that was on screen.
        run: id of the run whose scores were on screen, "" if none.
        id: makes the action unique; writing it again changes nothing.
        undoes: id of the action that this one takes back, with its decisions repeated; "" if none.
        time: UTC, ISO 8601 with microseconds.
    """

    reviewer: str
    decisions: Sequence[Decision]
    fingerprint: str
    run: str = ""
    id: str = field(default_factory=new_action)
    undoes: str = ""
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="microseconds"))

    def __post_init__(self) -> None:
        """Refuse nameless reviewers and rows that are decided twice in one step."""
        if not self.reviewer.strip() or len(self.reviewer) > MAX_NAME:
            raise DataError(
                f"A reviewer needs a name of 1 to {MAX_NAME} characters, so that decisions can "
                "be told apart; set one."
            )
        _check_text(self.reviewer, "A reviewer's name")
        keys = [decision.key for decision in self.decisions]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"Row {to_hex(twice)} has two decisions in one step; keep one of them.")


@dataclass(frozen=True)
class Event:
    """A stored decision: `number` grows with every event of the database."""

    number: int
    time: str
    reviewer: str
    decision: Decision
    fingerprint: str
    run: str
    action: str
    undoes: str
