"""`TurnoverClassifier`: turn-over dropout as a scikit-learn estimator on feature arrays.

For people in a notebook with features already at hand. The project's own training uses the same
`fit_heads`, so what is measured here holds there.

    model = TurnoverClassifier(random_state=0).fit(X, y)
    model.flipped_proba()                     # out-of-sample class probabilities, no K-fold
    model.influence(X_test, y_test).scores    # (T, N): positive helped, negative harmed
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from influence_core.data.keys import make_keys
from influence_core.errors import KeysError, ModelError
from influence_core.influence import DEFAULT_ESTIMATOR
from influence_core.influence import estimator as find_estimator
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.sides import both_sides
from influence_core.models.device import pick_device
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Influence:
    """Influence of N training rows on T targets; positive helped, negative harmed.

    `scores` (T, N) in nats for 'turnover', in the estimator's own unit otherwise; `stderr` (T, N)
    is the standard error over members, or None where the estimator has none.
    """

    scores: npt.NDArray[np.float32]
    stderr: npt.NDArray[np.float32] | None = None


class TurnoverClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that remembers which sub-network never saw which row.

    Args:
        members: heads side by side; noise falls with the square root of members × width.
        width: hidden units of a member.
        p: share of units on a row's learned side.
        epochs: a number, or "auto" to stop when the flipped side no longer improves.
        random_state: seed of start, masks and batch order.
        device: "auto" (cuda, then mps, then cpu) or a name.

    Attributes:
        classes_: (C,) labels in order. keys_: (N,) uint64. n_epochs_: epochs of the kept weights.
    """

    def __init__(
        self,
        members: int = 16,
        width: int = 256,
        p: float = 0.5,
        epochs: int | str = "auto",
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.members = members
        self.width = width
        self.p = p
        self.epochs = epochs
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, keys: Any = None, sample_weight: Any = None) -> Self:
        """Train on features X (N, d) and labels y (N,).

        Args:
            X: finite numbers.
            y: class labels of any type.
            keys: (N,) 64-bit row keys; by default a hash of each row's content, so that
                dropping or reordering rows changes no other row's masks.
            sample_weight: (N,) how much each row counts, 0 or more; by default all count 1.

        Raises:
            ValueError: X or y are not what scikit-learn accepts. KeysError: keys do not fit.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        weights = None if sample_weight is None else _checked_weights(sample_weight, X)
        self.keys_ = _row_keys(X) if keys is None else _checked_keys(keys, len(X))
        device = pick_device(self.device)
        seed = _seed(self.random_state)
        features = Standardised.fit(X, device)
        config = HeadConfig(X.shape[1], len(self.classes_), self.members, self.width, self.p, seed)
        rows = Rows(features, torch.from_numpy(labels), as_keys(self.keys_), weights)
        training = HeadTraining(epochs=_epochs(self.epochs), seed=seed)
        fit = fit_heads(rows, config, training)
        self.n_epochs_ = fit.epochs
        self.history_ = fit.history
        head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
        self._sides = both_sides(features, rows.labels, rows.keys, head)
        self._evidence = Evidence(
            features,
            rows.labels.to(device),
            rows.keys.to(device),
            torch.from_numpy(self._sides.flipped).to(device),
            head,
            replace(training, epochs=fit.epochs),
            None if weights is None else weights.to(device),
        )
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Class probabilities (T, C) of the full network, the mean over members."""
        head, x = self._ready(X)
        parts = [head.proba(part) for part in torch.split(x, 1024)]
        return torch.cat(parts).cpu().numpy()

    def predict(self, X: Any) -> Array:
        """The most probable label of each row, (T,)."""
        check_is_fitted(self, "classes_")
        return self.classes_[self.predict_proba(X).argmax(1)]

    def flipped_proba(self) -> npt.NDArray[np.float32]:
        """(N, C) out-of-sample probabilities of the training rows, the mean over members."""
        check_is_fitted(self, "classes_")
        return self._sides.flipped

    def self_influence(self) -> npt.NDArray[np.float32]:
        """(N,) flipped loss minus learned loss of each training row on itself, in nats."""
        check_is_fitted(self, "classes_")
        return self._sides.self_influence

    def influence(self, X_t: Any, y_t: Any, estimator: str = DEFAULT_ESTIMATOR) -> Influence:
        """Influence of every training row on the loss of each target.

        Args:
            X_t: (T, d) features. y_t: (T,) the label whose loss is asked about.
            estimator: a name in `influence_core.ESTIMATORS`; by default the product's own.

        Raises:
            ModelError: a label that was not trained on, or an unknown estimator.
        """
        head, x = self._ready(X_t)
        labels = self._label_numbers(np.asarray(y_t))
        targets = Targets(x, labels.to(x.device), head.proba(x))
        query = find_estimator(estimator).prepare(self._evidence).query(targets)
        out = query.scores(slice(0, len(self._evidence)))
        stderr = None if out.stderr is None else out.stderr.cpu().numpy()
        return Influence(out.scores.cpu().numpy(), stderr)

    def _ready(self, X: Any) -> tuple[HeadWeights, torch.Tensor]:
        check_is_fitted(self, "classes_")
        X = validate_data(self, X, dtype=np.float32, reset=False)
        head = self._evidence.head
        features = self._evidence.features
        if head is None or not isinstance(features, Standardised):
            raise ModelError("This classifier has no head; call fit first.")
        x = torch.from_numpy(X).to(features.mean.device)
        return head, (x - features.mean) * features.scale

    def _label_numbers(self, y: Array) -> torch.Tensor:
        numbers = np.searchsorted(self.classes_, y)
        numbers = np.minimum(numbers, len(self.classes_) - 1)
        unknown = self.classes_[numbers] != y
        if unknown.any():
            raise ModelError(
                f"The label {y[unknown][0]} was not in the training labels; "
                f"the model knows {', '.join(map(str, self.classes_[:10]))}."
            )
        return torch.from_numpy(numbers)


def _row_keys(X: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    return make_keys(contents=(row.tobytes() for row in np.ascontiguousarray(X)))


def _checked_weights(weights: Any, X: npt.NDArray[np.float32]) -> torch.Tensor:
    """Weights as one group, (N, 1)."""
    checked = _check_sample_weight(weights, X, dtype=np.float32, ensure_non_negative=True)
    if not checked.any():
        raise ValueError("All sample weights are zero; give at least one row a weight above zero.")
    return torch.from_numpy(checked)[:, None]


def _checked_keys(keys: Any, n: int) -> npt.NDArray[np.uint64]:
    array = as_keys(np.asarray(keys)).numpy().view(np.uint64)
    if len(array) != n:
        raise KeysError(f"There are {len(array)} keys for {n} rows; give one key per row.")
    return array


def _epochs(epochs: int | str) -> int | None:
    if epochs == "auto":
        return None
    if not isinstance(epochs, int) or epochs < 1:
        raise ModelError(f'epochs must be "auto" or a whole number from 1, not {epochs!r}.')
    return epochs


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
