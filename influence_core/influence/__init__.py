"""Estimators of influence behind one protocol, and the scan that runs them."""

from influence_core.errors import ModelError
from influence_core.influence.base import Estimator
from influence_core.influence.ridge import FLIPPED_RIDGE
from influence_core.influence.turnover_scores import TURNOVER

DEFAULT_ESTIMATOR = FLIPPED_RIDGE.name
ESTIMATORS: dict[str, Estimator] = {e.name: e for e in (FLIPPED_RIDGE, TURNOVER)}


def estimator(name: str) -> Estimator:
    """Look an estimator up; the error lists all there are."""
    if name not in ESTIMATORS:
        raise ModelError(f"There is no estimator '{name}'; choose one of {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]
