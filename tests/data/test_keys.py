import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.keys import make_keys
from influence_core.errors import DataError

TEXTS = st.lists(st.text(max_size=20), max_size=30)


@given(TEXTS, st.randoms())
def test_keys_do_not_depend_on_row_order(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    keys = make_keys(contents=texts)
    again = make_keys(contents=[texts[i] for i in order])
    assert sorted(keys.tolist()) == sorted(again.tolist())
    for text in set(texts):
        before = {k for k, t in zip(keys.tolist(), texts, strict=True) if t == text}
        after = {k for k, i in zip(again.tolist(), order, strict=True) if texts[i] == text}
        assert before == after


@given(TEXTS)
def test_equal_contents_get_different_keys(texts):
    keys = make_keys(contents=[*texts, *texts])
    assert len(set(keys.tolist())) == 2 * len(texts)


@given(st.lists(st.text(min_size=1, max_size=9), min_size=2, unique=True), st.data())
def test_dropping_a_row_changes_no_other_key(ids, data):
    gone = data.draw(st.integers(0, len(ids) - 1))
    keys = make_keys(ids=ids)
    left = make_keys(ids=ids[:gone] + ids[gone + 1 :])
    assert np.delete(keys, gone).tolist() == left.tolist()


def test_ids_and_contents_are_different_worlds():
    assert make_keys(ids=["7"])[0] != make_keys(contents=["7"])[0]


def test_an_id_that_stands_twice_is_named_with_both_rows():
    with pytest.raises(DataError, match="'b' stands at rows 2 and 4"):
        make_keys(ids=["a", "b", "c", "b"])
