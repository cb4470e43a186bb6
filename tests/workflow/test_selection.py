"""A selection: each part as a loop over rows would say it, and counts that add up."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.data.dataset import Split
from influence_core.workflow.slices.selection import BINS, Selection, View, inside

CLASSES = ("a", "b", "c")


def view(n=300, seed=0):
    rng = np.random.default_rng(seed)
    label, predicted = rng.integers(-1, 3, n), rng.integers(0, 3, n)
    names = np.array([*CLASSES, ""], dtype=object)
    table = pd.DataFrame({
        "id": [f"r{i}" for i in range(n)], "label": names[label], "predicted": names[predicted],
        "confidence": rng.random(n), "p_label": rng.random(n),
        "label_number": label, "predicted_number": predicted,
    })  # fmt: skip
    split = Split("train", pa.table({
        "key": pa.array(np.arange(n, dtype=np.uint64)), "id": table["id"].tolist(),
        "text": [f"row {i % 7} seen" for i in range(n)],
        "shop": [None if i % 5 == 0 else f"s{i % 3}" for i in range(n)],
    }))  # fmt: skip
    places = rng.normal(size=(n, 2)).astype(np.float32)
    return View(split, CLASSES, table, rng.random(n) < 0.2, places)


def slowly(view, wanted, among=None):
    """One row after the other."""
    out = []
    for i, row in enumerate(view.table.itertuples()):
        wrong = row.label not in ("", row.predicted)
        right = row.label == row.predicted
        shop = view.split.table.column("shop")[i].as_py()
        kept = {"all": True, "errors": wrong, "right": right}[wanted.which]
        kept &= not wanted.true or row.label in wanted.true
        kept &= not wanted.predicted or row.predicted in wanted.predicted
        p = 100 * row.confidence
        kept &= p >= wanted.low and (p < wanted.high or wanted.high == 100)
        kept &= wanted.text in view.split.texts([i])[0]
        kept &= not wanted.columns or f"shop={shop or ''}" in wanted.columns
        kept &= not wanted.suspicious or bool(view.suspicious[i])
        out.append(bool(kept) and (among is None or i in among))
    return np.array(out)


@settings(max_examples=60, deadline=None)
@given(
    which=st.sampled_from(["all", "errors", "right"]),
    true=st.lists(st.sampled_from(CLASSES), unique=True, max_size=2),
    predicted=st.lists(st.sampled_from(CLASSES), unique=True, max_size=2),
    bounds=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    text=st.sampled_from(["", "row 3", "nothing"]),
    columns=st.lists(st.sampled_from(["shop=s0", "shop=s1", "shop="]), unique=True, max_size=2),
    suspicious=st.booleans(),
    among=st.none() | st.sets(st.integers(0, 299), max_size=99),
)
def test_a_selection_is_what_a_loop_says(
    which, true, predicted, bounds, text, columns, suspicious, among
):
    low, high = sorted(bounds)
    wanted = Selection(
        which, tuple(true), tuple(predicted), low, high, text, tuple(columns), suspicious
    )
    one = view()
    assert np.array_equal(one.selected(wanted, among), slowly(one, wanted, among))


def test_a_lasso_holds_what_lies_in_it():
    one = view()
    square = (-1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0)
    held = one.selected(Selection(area=square))
    assert np.array_equal(held, (np.abs(one.places) < 1).all(1))
    # A corner that points inwards: what lies in the notch is outside.
    notch = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]], float)
    points = np.array([[2, 3], [2, 0.5], [0.5, 2], [np.nan, np.nan], [9, 1]], np.float32)
    assert inside(points, notch).tolist() == [False, True, True, False, False]


def test_counts_per_class_and_by_confidence_add_up():
    one = view()
    held = one.selected(Selection(low=20))
    decided = np.arange(300) % 3 == 0
    table = one.per_class(held, decided).set_index("class")
    for name in CLASSES:
        own = held & (one.table["label"] == name).to_numpy()
        right = own & (one.table["predicted"] == name).to_numpy()
        taken = (
            held
            & (one.table["label"] != "").to_numpy()
            & (one.table["predicted"] == name).to_numpy()
        )
        row = table.loc[name]
        assert (row["rows"], row["errors"]) == (own.sum(), own.sum() - right.sum())
        assert row["recall"] == pytest.approx(right.sum() / own.sum())
        assert row["precision"] == pytest.approx(right.sum() / taken.sum())
        assert row["suspicious"] == (own & one.suspicious).sum()
        assert row["decided"] == (own & decided).sum()
    counts = one.confidences(held)
    assert counts.shape == (2, BINS)
    assert counts.sum() == held.sum()
    assert counts[1].sum() == (held & one.wrong()).sum()
    cells = one.cells(held)
    for row, true in enumerate(CLASSES):
        for column, predicted in enumerate(CLASSES):
            own = (one.table["label"] == true) & (one.table["predicted"] == predicted)
            assert cells[row, column] == (held & own.to_numpy()).sum()


def test_its_name_says_all_of_it():
    wanted = Selection(
        "errors", ("a",), ("b", "c"), 20, 90, "x", ("shop=s0",), True, (0.0,) * 6, "q", "mine"
    )
    assert wanted.name() == (
        "wrong · true a · predicted b or c · confidence 20 to 90 % · with “x” · shop=s0 · "
        "suspicious label · inside the lasso · slice q · slice mine"
    )
    assert Selection().name() == "everything"
