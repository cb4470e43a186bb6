import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.keys import (
    content_hashes,
    from_hex,
    keys_from_ids,
    make_keys,
    number_repeats,
    occurrence_numbers,
    to_hex,
)
from influence_core.errors import DataError

KEYS_OF_IDS = ["35ec512e306f8b55", "92d9d644e3588026"]
KEYS_OF_CONTENTS = ["b653a2e96e96a8e5", "32b2bfd4bc241e7c", "db2fee5cfe00350c"]

# Few different texts make copies likely.
TEXTS = st.lists(st.sampled_from(["a", "b", "ä", ""]) | st.text(max_size=4), max_size=30)


@given(TEXTS, st.randoms())
def test_keys_do_not_depend_on_row_order(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    keys = make_keys(contents=texts)
    again = make_keys(contents=[texts[i] for i in order])
    for text in set(texts):
        before = {k for k, t in zip(keys.tolist(), texts, strict=True) if t == text}
        after = {k for k, i in zip(again.tolist(), order, strict=True) if texts[i] == text}
        assert before == after


@given(TEXTS)
def test_equal_contents_get_different_keys(texts):
    keys = make_keys(contents=[*texts, *texts])
    assert keys.dtype == np.uint64
    assert len(set(keys.tolist())) == 2 * len(texts)


@given(TEXTS, st.data())
def test_dropping_rows_makes_no_new_key(texts, data):
    kept = [text for text in texts if data.draw(st.booleans())]
    before = set(make_keys(contents=texts).tolist())
    assert set(make_keys(contents=kept).tolist()) <= before


@given(st.lists(st.text(min_size=1, max_size=9), min_size=2, unique=True), st.data())
def test_dropping_an_id_changes_no_other_key(ids, data):
    gone = data.draw(st.integers(0, len(ids) - 1))
    keys = make_keys(ids=ids)
    left = make_keys(ids=ids[:gone] + ids[gone + 1 :])
    assert np.delete(keys, gone).tolist() == left.tolist()


@given(TEXTS)
def test_occurrence_numbers_equal_a_plain_count(texts):
    expected = [texts[:i].count(text) for i, text in enumerate(texts)]
    assert occurrence_numbers(content_hashes(texts)).tolist() == expected


def test_keys_never_change_between_versions():
    """Runs, reviews and links on users' disks hold keys: this pins the rule for good."""
    assert [f"{k:016x}" for k in keys_from_ids(["1", "ü"])] == KEYS_OF_IDS
    assert [f"{k:016x}" for k in make_keys(contents=["a", "a", b"a"])] == KEYS_OF_CONTENTS


def test_ids_and_contents_are_different_worlds():
    assert make_keys(ids=["7"])[0] != make_keys(contents=["7"])[0]


def test_text_and_its_utf8_bytes_are_the_same_content():
    assert content_hashes(["ä"])[0] == content_hashes(["ä".encode()])[0]


def test_first_occurrences_keep_their_content_hash():
    hashes = content_hashes(["x", "y", "x"])
    assert number_repeats(hashes)[:2].tolist() == hashes[:2].tolist()


def test_an_id_that_stands_twice_is_named_with_both_rows():
    with pytest.raises(DataError, match="'b' stands at rows 2 and 4"):
        make_keys(ids=["a", "b", "c", "b"])


def test_repeated_ids_can_be_let_through_to_be_looked_at():
    keys = keys_from_ids(["a", "b", "a"], repeated=True)
    assert np.unique(keys).size == 3
    assert keys[:2].tolist() == keys_from_ids(["a", "b"]).tolist()


def test_keys_need_ids_or_contents():
    with pytest.raises(DataError, match="ids or contents"):
        make_keys()


@given(st.integers(0, 2**64 - 1))
def test_any_key_survives_its_hex_form(key):
    assert len(to_hex(key)) == 16
    assert from_hex(to_hex(key)) == from_hex(to_hex(key).lstrip("0") or "0") == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "+5",
        " 5",
        "5 ",
        "0x5",
        "1_0",
        "g",
        "٣",
        "1" * 17,
        "1" * 5000,
        "5\n",
        None,
        5,
        [],
        b"5",
    ],
)
def test_what_is_no_key_is_one_sentence(text):
    with pytest.raises(DataError, match="is no key; a key has 1 to 16 digits 0-9 and a-f"):
        from_hex(text)
