"""Estimators of influence behind one protocol, and the scan that runs them."""

from influence_core.errors import ModelError
from influence_core.influence.base import Estimator
from influence_core.influence.estimators.blend import COMBINED, TOGETHER
from influence_core.influence.estimators.cosine import FLIPPED_COSINE
from influence_core.influence.estimators.gradient import GRADIENT
from influence_core.influence.estimators.kernel_regression import FLIPPED_KERNEL
from influence_core.influence.estimators.replay import REPLAY
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.influence.estimators.similarity import SIMILARITY
from influence_core.influence.estimators.turnover import TURNOVER

DEFAULT_ESTIMATOR = FLIPPED_RIDGE.name
ESTIMATORS: dict[str, Estimator] = {
    e.name: e
    for e in (
        FLIPPED_RIDGE,
        REPLAY,
        TOGETHER,
        FLIPPED_KERNEL,
        TURNOVER,
        FLIPPED_COSINE,
        GRADIENT,
        SIMILARITY,
        COMBINED,
    )
}


def estimator(name: str) -> Estimator:
    """Look an estimator up; the error lists all there are."""
    if name not in ESTIMATORS:
        raise ModelError(f"There is no estimator '{name}'; choose one of {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]
