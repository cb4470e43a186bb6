"""Words that tell texts from others."""

import numpy as np
import pytest

from influence_core.labels.words import distinguishing, log_odds, shared_phrases

OTHERS = [f"the film was {w} and the end was {w} too" for w in ("fine", "dull", "long", "odd")] * 20


def test_a_planted_phrase_stands_out_and_for_its_words():
    texts = [f"{one}, shipped in a green box" for one in OTHERS[:12]]
    found = distinguishing(texts, OTHERS)
    assert any("green box" in name for name in found)
    assert not {"green", "box"} & set(found)
    assert not {"the", "film", "was"} & set(found)


def test_words_that_all_use_and_words_of_one_text_do_not_stand_out():
    assert distinguishing([*OTHERS[:9], "a solitary xylophone"], OTHERS) == ()


@pytest.mark.parametrize(("texts", "others"), [([], OTHERS), (OTHERS, []), (["!?", "…"], OTHERS)])
def test_without_words_nothing_is_said(texts, others):
    assert distinguishing(texts, others) == ()


def test_log_odds_are_those_of_the_paper():
    """Equations 16, 20 and 22, one word at a time."""
    ours, theirs, n, m, prior = [5, 0, 7], [10, 3, 0], 8, 40, 50.0
    found = log_odds(np.array(ours), np.array(theirs), n, m, prior)
    for z, a, b in zip(found, ours, theirs, strict=True):
        share = (a + b) / (n + m)
        alpha, rest = prior * share + 1e-2, prior * (1 - share) + 1e-2
        one = np.log((a + alpha) / (n + alpha + rest - a - alpha))
        two = np.log((b + alpha) / (m + alpha + rest - b - alpha))
        assert z == pytest.approx((one - two) / np.sqrt(1 / (a + alpha) + 1 / (b + alpha)))


def test_more_of_the_same_evidence_is_surer_evidence():
    few, many = (log_odds(np.array([3 * k]), np.array([k]), 10 * k, 100 * k)[0] for k in (1, 10))
    assert many > few > 0


def test_texts_that_share_a_phrase_are_put_together_and_chance_is_not():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(60)]
    texts = [" ".join(rng.choice(words, 8)) for _ in range(500)]
    others = [" ".join(rng.choice(words, 8)) for _ in range(2_000)]
    assert shared_phrases(texts, others, 5) == []
    first, second = np.arange(0, 30), np.arange(30, 42)
    for rows, phrase in ((first, "seen on the night train"), (second, "in a green box")):
        for row in rows:
            texts[row] = f"{texts[row]} {phrase}"
    found = shared_phrases(texts, others, 5)
    assert [rows.tolist() for rows in found] == [first.tolist(), second.tolist()]
    # A phrase that the others use as often says nothing.
    assert len(shared_phrases(texts, [f"{t} in a green box" for t in others], 5)) == 1


@pytest.mark.parametrize(("texts", "others"), [([], OTHERS), (OTHERS, []), (["!?"] * 9, OTHERS)])
def test_without_phrases_nothing_is_shared(texts, others):
    assert shared_phrases(texts, others, 5) == []
