import numpy as np

from influence_core.labels.agreement import agreement


def test_pairs_are_compared_on_the_rows_both_decided():
    words = {
        "bob": {1: "keep", 2: "keep", 3: "relabel cat", 9: "keep"},
        "ann": {1: "keep", 2: "exclude", 3: "relabel cat", 4: "keep"},
        "cy": {77: "keep"},
    }
    table = agreement(words)
    assert len(table) == 1
    line = table.iloc[0]
    assert (line["first"], line["second"], line["rows"]) == ("ann", "bob", 3)
    assert line["same"] == 2 / 3
    # Observed 2/3, by chance (1·2 + 1·1) / 9 = 1/3: kappa 1/2.
    np.testing.assert_allclose(line["kappa"], 0.5)


def test_where_nothing_varies_kappa_is_not_a_number():
    table = agreement({"a": {1: "keep"}, "b": {1: "keep"}})
    assert table["same"][0] == 1
    assert np.isnan(table["kappa"][0])
    assert agreement({"a": {1: "keep"}}).empty
