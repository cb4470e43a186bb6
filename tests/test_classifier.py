import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score
from sklearn.utils.estimator_checks import check_estimator

from influence_core.classifier import TurnoverClassifier
from influence_core.errors import KeysError, ModelError
from influence_core.influence import DEFAULT_ESTIMATOR

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "batches and the standardisation are made of "
    "rows, whatever they weigh, as with every network that is trained in batches"
}


def noisy_digits(n=1000, share=0.1, seed=0):
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    X, y = X[order], y[order]
    given = y[:n].copy()
    wrong = rng.random(n) < share
    given[wrong] = (given[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    return X[:n], given, wrong, X[n:], y[n:]


@pytest.fixture(scope="module")
def digits():
    X, given, wrong, X_test, y_test = noisy_digits()
    model = TurnoverClassifier(members=8, width=512, random_state=0).fit(X, given)
    return model, wrong, X_test, y_test


def test_self_influence_finds_planted_noise_on_digits(digits):
    model, wrong, _, _ = digits
    assert average_precision_score(wrong, model.self_influence()) >= 0.97


def test_flipped_confidence_finds_planted_noise_on_digits(digits):
    model, wrong, _, _ = digits
    given = model._evidence.labels.numpy()
    confidence = model.flipped_proba()[np.arange(len(wrong)), given]
    assert average_precision_score(wrong, -confidence) >= 0.98


def test_it_classifies_despite_the_noise(digits):
    model, _, X_test, y_test = digits
    assert model.score(X_test, y_test) > 0.94


@pytest.mark.parametrize("name", ["turnover", "flipped-ridge"])
def test_same_class_rows_help_more_than_others(digits, name):
    model, wrong, X_test, y_test = digits
    out = model.influence(X_test[:20], y_test[:20], estimator=name)
    given = model._evidence.labels.numpy()
    assert out.scores.shape == (20, 1000)
    same = np.mean([out.scores[t][(given == y_test[t]) & ~wrong].mean() for t in range(20)])
    other = np.mean([out.scores[t][given != y_test[t]].mean() for t in range(20)])
    assert same > 0 > other


def test_keys_decide_the_masks_not_positions():
    X, y, *_ = noisy_digits(100)
    keys = np.arange(100, dtype=np.uint64)
    a = TurnoverClassifier(members=2, width=32, epochs=2, random_state=1).fit(X, y)
    b = TurnoverClassifier(members=2, width=32, epochs=2, random_state=1).fit(X, y, keys=keys)
    assert not np.array_equal(a.flipped_proba(), b.flipped_proba())


def test_a_seed_gives_the_same_result_twice():
    X, y, *_ = noisy_digits(100)
    a, b = (
        TurnoverClassifier(members=2, width=32, epochs=2, random_state=3).fit(X, y)
        for _ in range(2)
    )
    assert np.array_equal(a.predict_proba(X), b.predict_proba(X))


def trained(X, y, **kwargs):
    model = TurnoverClassifier(members=2, width=32, epochs=3, random_state=3)
    return model.fit(X, y, **kwargs)


def test_a_row_of_weight_zero_teaches_nothing_and_only_ratios_count():
    X, y, *_ = noisy_digits(200)
    weights = np.ones(200)
    weights[50:] = 0
    other = y.copy()
    other[50:] = np.roll(y[50:], 7)
    mine, same = (trained(X, labels, sample_weight=weights) for labels in (y, other))
    np.testing.assert_array_equal(mine.predict_proba(X), same.predict_proba(X))
    assert not np.allclose(mine.predict_proba(X), trained(X, y).predict_proba(X), atol=1e-3)
    double = trained(X, y, sample_weight=np.full(200, 2.0))
    np.testing.assert_allclose(double.predict_proba(X), trained(X, y).predict_proba(X), atol=1e-4)


def test_replay_answers_for_weighted_rows_as_retraining_does():
    X, y, *_ = noisy_digits(80)
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 2.0, 80)
    weights[70:] = 0.0

    def fitted(given):
        return trained(X, y, sample_weight=given)

    found = fitted(weights).influence(X[:1], y[:1], estimator="replay").scores[0]
    assert not found[70:].any() and found[:70].all()

    def loss(given):
        proba = fitted(given).predict_proba(X[:1])
        return -np.log(proba[0, y[0]])

    step, actual = 0.05, []
    for row in range(8):
        more, less = weights.copy(), weights.copy()
        more[row] *= 1 + step
        less[row] *= 1 - step
        actual.append((loss(less) - loss(more)) / (2 * step))
    assert np.corrcoef(found[:8], actual)[0, 1] > 0.95


def test_influence_is_that_of_the_products_default_estimator():
    X, y, *_ = noisy_digits(100)
    model = trained(X, y)
    default, named = model.influence(X[:2], y[:2]), model.influence(X[:2], y[:2], DEFAULT_ESTIMATOR)
    np.testing.assert_array_equal(default.scores, named.scores)
    noisy = model.influence(X[:2], y[:2], estimator="turnover")
    assert not np.allclose(default.scores, noisy.scores)
    assert noisy.stderr is not None


def test_bad_arguments_say_what_to_do():
    X, y, *_ = noisy_digits(50)
    with pytest.raises(KeysError, match="3 keys for 50 rows"):
        TurnoverClassifier().fit(X, y, keys=[1, 2, 3])
    with pytest.raises(ModelError, match="epochs"):
        TurnoverClassifier(epochs="many").fit(X, y)
    model = TurnoverClassifier(members=1, width=8, epochs=1).fit(X, y)
    with pytest.raises(ModelError, match="label 77"):
        model.influence(X[:1], [77])
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.full((1, 64), np.nan))


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_conventions_hold():
    check_estimator(
        TurnoverClassifier(members=4, width=64, epochs=20, random_state=0),
        expected_failed_checks=EXPECTED_FAILURES,
    )
