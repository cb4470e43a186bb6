"""The Trust page's pictures show what the stored tables say."""

import pandas as pd
import pytest

from pages.ui.trust.charts import comparison, removal


def test_estimators_stand_best_first_and_the_ceiling_is_a_line_for_each_kind():
    table = pd.DataFrame(
        {
            "estimator": ["turnover", "flipped-ridge", "ceiling"],
            "lds_misclassified": [0.1, 0.7, 0.85],
            "half_misclassified": [0.01, 0.02, 0.03],
            "lds_random": [0.2, 0.8, 0.87],
            "half_random": [0.01, 0.02, 0.03],
        }
    )
    figure = comparison(table)
    assert list(figure.layout.yaxis.ticktext) == ["Flipped-residual ridge", "Turn-over dropout"]
    wrong, random = figure.data
    assert list(wrong.x) == [0.7, 0.1]
    assert list(random.error_x["array"]) == [0.02, 0.01]
    assert [shape.x0 for shape in figure.layout.shapes] == [0.85, 0.87]
    assert all(a != b for a, b in zip(wrong.y, random.y, strict=True))


def test_the_query_loss_difference_is_drawn_like_lds_without_a_ceiling():
    table = pd.DataFrame(
        {
            "estimator": ["turnover", "replay"],
            "qld_misclassified": [0.1, 0.7],
            "half_misclassified": [0.01, 0.02],
            "qld_random": [0.2, 0.8],
            "half_random": [0.01, 0.02],
        }
    )
    figure = comparison(table, "QLD", "qld")
    assert list(figure.layout.yaxis.ticktext) == ["Replay of this run", "Turn-over dropout"]
    assert list(figure.data[1].x) == [0.8, 0.2] and not figure.layout.shapes


def test_removal_has_one_curve_an_estimator_and_a_dotted_baseline():
    table = pd.DataFrame(
        {
            "estimator": ["turnover", "turnover", "random", "random"],
            "removed": [10, 40, 10, 40],
            "rise": [0.1, 0.5, 0.0, 0.05],
            "half": [0.02] * 4,
        }
    )
    own, baseline = removal(table).data
    assert list(own.y) == pytest.approx([0.1, 0.5])
    assert baseline.name == "random rows"
    assert baseline.line.dash == "dot"
