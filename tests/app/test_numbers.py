"""How numbers are written: what was not measured is a dash, never 'nan'."""

import json
import math

import pandas as pd
import pytest

from influence_core.cli.common import print_json
from influence_core.evaluation.lds import Interval
from pages.ui.draw import numbers

NOTHING = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize("write", [numbers.influence, numbers.percent, numbers.points])
def test_what_was_not_measured_is_a_dash(write, value):
    assert write(value) == numbers.NONE


def test_a_score_without_an_error_stands_alone():
    assert numbers.influence(0.5, math.nan) == numbers.influence(0.5, math.inf) == "+0.500"
    assert numbers.influence(-0.5, 0.01) == "−0.500 ± 0.010"
    assert numbers.influence(0.0) == "+0.000"


def test_numbers_have_three_figures_and_nouns_their_plural():
    shown = [numbers.figure(value) for value in (0.00123456, 12.345, 98765.4, -0.5, math.nan)]
    assert shown == ["0.00123", "12.3", "98,800", "−0.500", numbers.NONE]
    assert [numbers.milliseconds(v) for v in (104.2, 2539.0)] == ["104 ms", "2.54 s"]
    assert [numbers.many(n, "row") for n in (0, 1, 4000)] == ["0 rows", "1 row", "4,000 rows"]
    table = pd.DataFrame({"name": ["a"], "share": [0.97613], "count": [12345]})
    assert numbers.rounded(table).iloc[0].tolist() == ["a", 0.976, 12345]


def test_an_interval_of_one_or_no_target_says_what_it_has():
    assert str(Interval.of([math.nan])) == "not measured"
    assert str(Interval.of([0.5])) == "0.50"
    assert str(Interval.of([0.4, 0.6])).startswith("0.50 ± ")


@pytest.mark.parametrize("value", NOTHING)
def test_json_has_null_where_a_number_is_none(value, capsys):
    print_json({"figures": {"lds": value}, "list": [(1.0, value)]})

    def refuse(name):
        raise AssertionError(name)

    found = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found == {"figures": {"lds": None}, "list": [[1.0, None]]}
