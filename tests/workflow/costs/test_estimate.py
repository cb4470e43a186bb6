import time

import pytest
import torch

from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.scan import mean_influence
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, initial_weights
from influence_core.workflow.costs.estimate import Estimate, Rates, scanning, training
from influence_core.workflow.costs.rates import measure

N, CONFIG, HOW = 12_000, HeadConfig(128, 4, members=8, width=512), HeadTraining(epochs=1)


def measured(work):
    """Processor seconds, so that others on the machine make less of a difference."""
    took = []
    for _ in range(2):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return min(took)


def cases():
    values = torch.randn(N, 128)
    features = Standardised(values, torch.zeros(128), torch.ones(128), values)
    labels, keys = torch.randint(0, 4, (N,)), torch.randint(0, 2**62, (N,))
    evidence = Evidence(
        features,
        labels,
        keys,
        torch.full((N, 4), 0.25),
        HeadWeights(*initial_weights(CONFIG), CONFIG),
    )

    def query(entry, count):
        goal = Targets(values[:count], labels[:count], torch.full((count, 4), 0.25))
        return entry.prepare(evidence).query(goal)

    many, ridge = query(TURNOVER, 48), query(FLIPPED_RIDGE, 480)
    return {
        "training": (
            lambda rates: training(rates, N, CONFIG, HOW),
            lambda: fit_heads(Rows(features, labels, keys), CONFIG, HOW),
        ),
        "turnover": (
            lambda r: scanning(r, "turnover", N, 48, CONFIG), lambda: mean_influence(many, N)
        ),
        "ridge": (
            lambda r: scanning(r, "flipped-ridge", N, 480, CONFIG), lambda: mean_influence(ridge, N)
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def rates():
    return Rates(**measure(torch.device("cpu"), time.process_time))


@pytest.mark.parametrize("name", ["training", "turnover", "ridge"])
def test_the_estimate_is_of_the_size_of_the_work(name, rates):
    """Within a factor of two on an idle machine (`benchmarks.estimates`); a unit left out is 4."""
    predict, work = cases()[name]
    assert 1 / 4 < predict(rates).seconds / measured(work) < 4


def test_estimates_grow_with_the_task():
    rates = Rates(1e-9, 1e-9, 1e-10, 1e-10)
    small, large = (training(rates, n, CONFIG, HOW) for n in (1_000, 100_000))
    assert large.seconds > 50 * small.seconds
    assert large.bytes > small.bytes
    assert scanning(rates, "turnover", 10**6, 1, CONFIG).bytes < 64 << 20
    mapped, whole = (scanning(rates, "flipped-ridge", n, 1, CONFIG) for n in (10**7, 10**6))
    assert mapped.bytes < whole.bytes  # beyond memory, features stay on disk


def test_work_after_work_adds_time_but_not_memory():
    one, other = Estimate(2.0, 10), Estimate(3.0, 40)
    assert one.then(other) == Estimate(5.0, 40)
    assert one.times(4) == Estimate(8.0, 10)


def test_the_sentence_tells_time_and_memory():
    assert Estimate(9.9, 10).sentence() is None
    said = "This takes about 38 s and 1.2 GB on this device"
    assert Estimate(38.2, 1_290_000_000).sentence() == f"{said}."
    assert Estimate(38.2, 1_290_000_000).sentence(", or less") == f"{said}, or less."
    assert "about 10 min and 5 MB on" in Estimate(600, 5 << 20).sentence()
    assert "about 2.5 h and 5 MB on" in Estimate(9_000, 5 << 20).sentence()
