import numpy as np
import pytest
import torch

from influence_core.errors import DataError
from influence_core.training import features as module
from influence_core.training.features import Standardised, consecutive, moments


def raw(n=50, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * [1, 5, 0.1, 2] + 3).astype(np.float16)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("index", [[3, 4, 5, 6], [7], [9, 2, 2, 40], [5, 4, 3], []])
def test_rows_are_standardised_in_memory_and_on_disk_alike(monkeypatch, resident, index):
    values = raw()
    if not resident:
        monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    X = Standardised.fit(values)
    assert (X.resident is not None) == resident
    wide = values.astype(np.float64)
    expected = ((wide - wide.mean(0)) / wide.std(0))[index]
    out = X.rows(torch.tensor(index, dtype=torch.long))
    assert out.dtype == torch.float32
    assert np.allclose(out.numpy(), expected, atol=1e-4)


def test_consecutive_rows_are_not_copied():
    X = Standardised.fit(raw())
    assert X.rows(torch.arange(10, 20)).data_ptr() == X.resident[10:].data_ptr()


def test_consecutive_recognises_runs_only():
    assert consecutive(torch.arange(4, 9)) == slice(4, 9)
    for index in ([], [1, 3], [1, 3, 2, 4], [2, 1], [1, 1]):
        assert consecutive(torch.tensor(index, dtype=torch.long)) is None


def test_moments_name_the_first_broken_row():
    values = raw()
    values[7, 2] = np.inf
    with pytest.raises(DataError, match="row 7"):
        moments(values)


def test_a_dead_feature_does_not_blow_up():
    values = raw()
    values[:, 1] = 2.0
    X = Standardised.fit(values)
    assert float(X.rows(torch.arange(50))[:, 1].abs().max()) < 1e-3
