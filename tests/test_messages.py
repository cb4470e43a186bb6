"""Advice that can be followed: what a message about reading names exists where it is read."""

import re

from commands import options_of
from messages import options_in, sentences

READING = ("data", "workflow/projects")
DECISIONS = ("data/readers/text", "workflow/exchange")
# Said only by the reading of sources, not of decisions.
SOURCES = ("data/readers/text/csv_file.py", "data/readers/text/fasttext.py")
ADVICE = re.compile(
    r"\b(?:[Cc]hoose|[Nn]ame (?:it|its|another|their|the)\b|[Ll]eave\b[^.;]*\bout\b|another label)"
)
# Of these, those about the source itself: its path, or what a person does to the file.
SOURCE = re.compile(
    r"[Nn]ame (?:it alone|its folder|the folder|that file|another (?:file|folder)|the data set)"
)


def _named(*places: str) -> dict[str, set[str]]:
    return {place: options_in(said) for place, said in sentences(*places)}


def test_options_that_messages_about_a_source_name_are_options_of_new():
    known = options_of("new")
    named = _named(*READING)
    assert sum(map(bool, named.values())) > 15
    assert not {place: more for place, found in named.items() if (more := found - known)}


def test_options_that_messages_about_decisions_name_are_options_of_decide():
    known = options_of("decide")
    named = {p: o for p, o in _named(*DECISIONS).items() if not p.split(":")[0].endswith(SOURCES)}
    assert any("--encoding" in found for found in named.values())
    assert not {place: more for place, found in named.items() if (more := found - known)}


def test_advice_to_choose_names_an_option():
    vague = {
        place: said
        for place, said in sentences(*READING)
        if ADVICE.search(said) and not SOURCE.search(said) and not options_in(said)
    }
    assert not vague, "\n".join(f"{place}: {said}" for place, said in vague.items())
