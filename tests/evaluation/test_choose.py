import numpy as np
import pytest

from influence_core.evaluation.choose import best_estimator, choose_strength, fit_blend, folds_of


def test_folds_are_as_equal_as_can_be():
    assert sorted(np.bincount(folds_of(17, 5))) == [3, 3, 3, 4, 4]


def test_the_best_strength_is_kept():
    rng = np.random.default_rng(0)
    table = {
        s: level + 0.01 * rng.normal(size=30) for s, level in ((0.5, 0.2), (2.0, 0.5), (8.0, 0.3))
    }
    choice = choose_strength(table)
    assert choice.option == 2.0
    assert np.array_equal(choice.lds, table[2.0])


def test_choosing_among_pure_noise_does_not_look_like_skill():
    """The best of many useless options is above zero on the targets it was chosen on, not here."""
    honest, greedy = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        table = {float(s): rng.normal(size=20) for s in range(8)}
        honest.append(choose_strength(table).lds.mean())
        greedy.append(max(values.mean() for values in table.values()))
    assert np.mean(greedy) > 0.2
    assert abs(np.mean(honest)) < 0.06


def world(seed=0, targets=20, groups=120):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, targets, groups))
    noise = rng.normal(size=(targets, groups))
    return a, b, noise


def test_blend_of_two_halves_of_the_truth_beats_either():
    a, b, noise = world()
    blend = fit_blend({"a": a, "b": b}, -(a + 2 * b + noise).T)
    assert blend.weights["b"] / blend.weights["a"] == pytest.approx(2, rel=0.15)
    assert blend.lds.mean() > max(part.mean() for part in blend.parts.values()) + 0.05
    assert sum(blend.weights.values()) == pytest.approx(1)


def test_blend_falls_back_to_the_best_single_one():
    a, b, noise = world()
    blend = fit_blend({"truth": a, "noise": b}, -(a + noise).T)
    if blend.weights != {"truth": 1.0}:  # a trace of noise may help by luck, never much
        assert blend.weights.get("noise", 0.0) < 0.05
    only = fit_blend({"good": a + noise, "bad": -b}, -(a + noise).T + 0)
    assert only.weights == {"good": 1.0}


def test_blend_reports_what_it_did_not_fit():
    """Many useless parts on few targets: a fitted blend would look good in its own mirror."""
    rng = np.random.default_rng(3)
    parts = {str(k): rng.normal(size=(6, 24)) for k in range(8)}
    held = [fit_blend(parts, rng.normal(size=(24, 6))).lds.mean() for _ in range(60)]
    assert np.mean(held) < 0.2


def questions(**each):
    """Two questions, by estimator the mean LDS of 40 targets on both, with the same spread."""
    spread = np.random.default_rng(0).normal(size=(2, 40)) * 0.02
    spread -= spread.mean(1, keepdims=True)
    own = np.random.default_rng(1).normal(size=(len(each), 2, 40)) * 0.01
    own -= own.mean(2, keepdims=True)
    return [
        {n: m[q] + spread[q] + own[i, q] for i, (n, m) in enumerate(each.items())} for q in (0, 1)
    ]


@pytest.mark.parametrize(
    ("each", "best"),
    [
        ({"ridge": (0.9, 0.85), "replay": (0.97, 0.85)}, "replay"),
        ({"ridge": (0.9, 0.85), "replay": (0.97, 0.83)}, "ridge"),  # it loses a question
        ({"ridge": (0.9, 0.85), "replay": (0.97, 0.845)}, "replay"),  # a hundredth is allowed
        ({"ridge": (0.9, 0.85), "replay": (0.901, 0.851)}, "ridge"),  # not beyond the error
        ({"ridge": (0.8, 0.5), "replay": (0.95, 0.45), "both": (0.93, 0.51)}, "both"),
        ({"ridge": (0.8, 0.5), "replay": (0.95, 0.50), "both": (0.951, 0.50)}, "replay"),
    ],
)
def test_the_default_wins_on_both_questions_beyond_the_error(each, best):
    assert best_estimator(questions(**each), list(each)) == best


def test_what_was_not_measured_on_every_question_is_no_choice():
    same, other = questions(ridge=(0.5, 0.5), replay=(0.9, 0.9))
    del other["replay"]
    assert best_estimator([same, other], ["ridge", "replay"]) == "ridge"
    assert best_estimator([same], ["ridge", "replay"]) == "replay"


def test_a_constant_estimator_never_becomes_the_default():
    same, other = questions(ridge=(0.5, 0.5), replay=(0.9, 0.9))
    same["replay"][:] = np.nan
    assert best_estimator([same, other], ["ridge", "replay"]) == "ridge"
