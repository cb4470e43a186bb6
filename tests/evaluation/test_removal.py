from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_rows import CONFIG, TRAINING, clouds

from influence_core.errors import DataError
from influence_core.evaluation.loo import leave_one_out
from influence_core.evaluation.removal import (
    DRAWS,
    RANDOM,
    most_helpful,
    one_percent,
    query_loss_differences,
    removal_curves,
)
from influence_core.evaluation.retrain import Recipe
from influence_core.influence.base import Scores, Targets
from influence_core.training.heads.fit import fit_heads
from influence_core.turnover.head import TurnoverHead


def world(n=120):
    rows, _, x, y = clouds(n=n, noise=0.0)
    targets = Targets(x[:4], torch.from_numpy(y[:4]), torch.full((4, 3), 1 / 3))
    return Recipe(rows, CONFIG, replace(TRAINING, epochs=8)), targets


class Table:
    """A query whose scores are written down."""

    def __init__(self, table):
        self.table = table

    def scores(self, rows):
        return Scores(self.table[:, rows])


def test_most_helpful_rows_come_first_and_ties_keep_their_order():
    table = torch.tensor([[0.0, 3.0, 1.0, 3.0], [5.0, -1.0, 6.0, 0.0]])
    assert most_helpful(Table(table), 4, 3).tolist() == [[1, 3, 2], [2, 0, 3]]


def test_removing_the_rows_of_the_targets_class_hurts_more_than_removing_others():
    recipe, targets = world()
    labels = recipe.rows.labels.numpy()
    own = np.stack([np.argsort(labels != t, kind="stable")[:30] for t in targets.labels.numpy()])
    other = np.stack([np.argsort(labels == t, kind="stable")[:30] for t in targets.labels.numpy()])
    points = removal_curves(recipe, targets, {"own": own, "other": other}, sizes=(3, 30))
    rise = {(p.estimator, p.removed): p.rise.mean for p in points}
    assert set(rise) == {(name, k) for name in ("own", "other", RANDOM) for k in (3, 30)}
    assert rise["own", 30] > 0.1 > rise["other", 30]
    assert rise["own", 30] > rise["own", 3]
    assert rise[RANDOM, 30] > 0.1  # random rows of the target's own label


def losses_without(recipe, targets, *positions):
    """By a fit of its own for this one set of rows, (E, T)."""
    keep = torch.ones(len(recipe.rows.labels), 1)
    keep[list(positions)] = 0
    fit = fit_heads(replace(recipe.rows, weights=keep), recipe.config, recipe.training)
    head = TurnoverHead(CONFIG)
    head.load_state_dict({"W1": fit.W1, "b1": fit.b1, "W2": fit.W2})
    out = head(targets.features).log_softmax(-1).detach()
    return -out.gather(2, targets.labels.expand(2, -1)[..., None])[..., 0]


def test_the_query_loss_difference_equals_fits_by_hand():
    recipe, targets = world(200)
    rankings = {
        "a": np.random.default_rng(0).permuted(np.tile(np.arange(200), (4, 1)), axis=1),
        "b": np.tile(np.arange(200), (4, 1)),
    }
    found = query_loss_differences(recipe, targets, rankings, seed=3)
    assert one_percent(200) == 2 and one_percent(5) == 1
    rng = np.random.default_rng((3, 0x716C64))
    random = [losses_without(recipe, targets, *rng.permutation(200)[:2]) for _ in range(DRAWS)]
    chance = torch.stack(random).mean((0, 1))
    for name, ranking in rankings.items():
        for t in range(4):
            own = losses_without(recipe, targets, *ranking[t, :2])[:, t].mean()
            assert found[name][t] == pytest.approx(float(own - chance[t]), abs=1e-5)


def test_rows_that_help_score_higher_by_the_query_loss_difference_than_rows_that_harm():
    """Ranked by leave-one-out, which is what every estimator stands for."""
    recipe, targets = world(60)
    measured = leave_one_out(recipe, targets, np.arange(60)).influence
    order = np.argsort(-measured, axis=1)
    found = query_loss_differences(recipe, targets, {"best": order, "worst": order[:, ::-1].copy()})
    assert (found["best"] > 0).all() and (found["worst"] < 0).all()


def test_leave_one_out_equals_two_fits_by_hand():
    recipe, targets = world(40)
    found = leave_one_out(recipe, targets, np.array([7, 3]))
    rise = losses_without(recipe, targets, 3) - losses_without(recipe, targets)
    assert np.allclose(found.influence[:, 1], rise.mean(0).numpy(), atol=1e-5)
    assert np.allclose(found.stderr[:, 1], (rise.std(0) / 2**0.5).numpy(), atol=1e-5)
    assert found.influence.shape == (4, 2)


def test_an_empty_list_is_refused():
    recipe, targets = world(40)
    with pytest.raises(DataError, match="at least one"):
        leave_one_out(recipe, targets, np.array([], dtype=np.int64))
