"""What may be a decision and what may not, to the last character."""

import re

import pytest

from influence_core.errors import DataError
from influence_core.store.reviews.events import (
    MAX_NAME,
    MAX_NOTE,
    VERDICTS,
    Action,
    Decision,
    new_action,
)

REFUSED = [
    ({"verdict": "maybe"}, f"'maybe' is not a verdict; there are {', '.join(VERDICTS)}."),
    ({"verdict": "relabel"}, "Row 00000000000000ff: a new label belongs to the verdict 'relabel'"),
    (
        {"verdict": "keep", "new_label": "dog"},
        "no other; give it one or choose another verdict.",
    ),
    ({"verdict": "relabel", "new_label": "cat"}, "Row 00000000000000ff is labelled 'cat' already"),
    ({"note": "x" * (MAX_NOTE + 1)}, "A note may have 4,000 characters; shorten it."),
    ({"note": "a\0"}, "A note holds the character U+0000"),
    ({"note": "\ud800"}, "A note holds the character U+D800"),
    ({"note": "\udfff"}, "A note holds the character U+DFFF"),
]


@pytest.mark.parametrize(("bad", "sentence"), REFUSED)
def test_what_is_wrong_with_a_decision_is_said(bad, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)):
        Decision(255, 1, **{"verdict": "keep", "old_label": "cat", **bad})


def test_the_longest_note_and_the_characters_beside_the_forbidden_ones_pass():
    assert len(Decision(1, 1, "keep", "cat", note="x" * MAX_NOTE).note) == MAX_NOTE
    assert Decision(1, 1, "keep", "cat", note="\x01\ud7ff\ue000").new_label is None
    assert Decision(1, 1, "exclude", None).note == ""


def test_the_longest_name_passes_and_one_more_character_does_not():
    assert Action("a" * MAX_NAME, [], "f").run == ""
    for name in ("a" * (MAX_NAME + 1), "", " \t"):
        with pytest.raises(DataError, match="A reviewer needs a name of 1 to 100 characters"):
            Action(name, [], "f")
    with pytest.raises(DataError, match="A reviewer's name holds the character U"):
        Action("ann\0", [], "f")


def test_the_row_that_has_two_decisions_is_named():
    made = [Decision(key, 1, "keep", "cat") for key in (1, 254, 255, 255)]
    with pytest.raises(DataError, match=r"^Row 00000000000000ff has two decisions in one step"):
        Action("ann", made, "f")
    assert len(Action("ann", made[:3], "f").decisions) == 3


def test_ids_are_long_and_never_the_same():
    made = {new_action() for _ in range(100)}
    assert (len(made), {len(one) for one in made}) == (100, {32})
