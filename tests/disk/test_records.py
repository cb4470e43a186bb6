"""Dataclasses from JSON: what fits comes back as it was, what does not is named."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.disk.records import Figure, Stored, build, plain
from influence_core.errors import StoreError


@dataclass(frozen=True)
class Inner:
    name: str
    size: int = 3


def hexadecimal(text):
    return int(text, 16)


@dataclass(frozen=True)
class Outer:
    share: float
    kind: Literal["a", "b"]
    inner: Inner
    many: tuple[Inner, ...] = ()
    pair: tuple[int, str] | None = None
    figures: Mapping[str, Figure] = field(default_factory=dict)
    keys: frozenset[Annotated[int, Stored(hexadecimal, hex)]] = frozenset()
    rest: dict[str, Any] = field(default_factory=dict)


LEAST = {"share": 0.5, "kind": "a", "inner": {"name": "n"}}


@given(
    st.builds(
        Outer,
        share=st.floats(-1e9, 1e9),
        inner=st.builds(Inner, st.text(), st.integers()),
        many=st.lists(st.builds(Inner, st.text(), st.integers())).map(tuple),
        pair=st.none() | st.tuples(st.integers(), st.text()),
        figures=st.dictionaries(st.text(), st.floats(allow_nan=False)),
        keys=st.frozensets(st.integers(0, 99)),
        rest=st.just({"x": [1, None]}),
    )
)
def test_any_record_survives_json(record):
    assert build(Outer, json.loads(json.dumps(plain(record))), "here") == record


def test_missing_ones_take_their_default_and_unknown_ones_are_passed_over():
    made = build(Outer, {**LEAST, "of a later program": 1}, "here")
    assert made == Outer(0.5, "a", Inner("n"))


def test_marked_fields_are_read_in_their_stored_form():
    assert build(Outer, {**LEAST, "keys": ["0f", "10"]}, "here").keys == {15, 16}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"share": "0.5"}, "share"),
        ({"share": float("nan")}, "share"),
        ({"share": True}, "share"),
        ({"kind": "c"}, "kind"),
        ({"kind": ["a"]}, "kind"),
        ({"inner": 3}, "inner"),
        ({"inner": {"size": 1}}, "inner.name"),
        ({"many": [{"name": "n"}, {"name": 4}]}, "many.1.name"),
        ({"many": {"0": {"name": "n"}}}, "many"),
        ({"pair": [1]}, "pair"),
        ({"pair": ["1", "x"]}, "pair.0"),
        ({"figures": {"a": "high"}}, "figures.a"),
        ({"figures": []}, "figures"),
        ({"keys": ["x"]}, "keys.0"),
        ({"keys": [None]}, "keys.0"),
        ({"rest": []}, "rest"),
        ({"share": 0, "kind": None, "inner": {"name": None}}, "inner.name, kind"),
    ],
)
def test_what_does_not_fit_is_named(changes, named):
    with pytest.raises(StoreError) as caught:
        build(Outer, LEAST | changes, "here", "do this")
    assert str(caught.value) == f"here is damaged (missing or of a wrong type: {named}); do this."


@pytest.mark.parametrize("value", [None, [], 3, "text", {}])
def test_anything_else_than_a_whole_object_is_refused(value):
    with pytest.raises(StoreError, match="here is damaged"):
        build(Outer, value, "here")
