"""One target's ridge: by the compiled kernel and by tensors, from rows in memory and in files."""

import numpy as np
import pytest
import torch

from influence_core.influence.base import Evidence, Targets
from influence_core.influence.estimators import ridge
from influence_core.influence.kernels import cache_lines
from influence_core.influence.kernels import ridge as kernel
from influence_core.training import features as features_module
from influence_core.training.features import Standardised, as_stored

ROWS, DEPTH = 300, 37


def file_of(folder, kind=np.float16, seed=0):
    """Features of unlike size and place, as an encoder gives them, in a mapped file."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(ROWS, DEPTH)) * np.geomspace(0.1, 20, DEPTH) + 3
    np.save(folder / "x.npy", values.astype(kind))
    return np.load(folder / "x.npy", mmap_mode="r")


def question(features, classes):
    draw = torch.Generator().manual_seed(classes)
    labels = torch.randint(0, classes, (ROWS,), generator=draw)
    flipped = torch.randn(ROWS, classes, generator=draw).softmax(1)
    proba = torch.randn(2, classes, generator=draw).softmax(1)
    goal = Targets(torch.randn(2, DEPTH, generator=draw), labels[:2], proba)
    return Evidence(features, labels, torch.arange(ROWS), flipped), goal


def scored(features, classes, targets):
    evidence, goal = question(features, classes)
    part = Targets(goal.features[:targets], goal.labels[:targets], goal.proba[:targets])
    query = ridge.prepare(evidence).query(part)
    return torch.cat([query.scores(slice(0, 100)).scores, query.scores(slice(100, ROWS)).scores], 1)


@pytest.mark.parametrize("classes", [2, 5, ridge.BLOCKS + 1])
@pytest.mark.parametrize("halves", [True, False])
@pytest.mark.parametrize("resident", [True, False])
def test_one_target_gets_what_it_gets_among_several(
    tmp_path, monkeypatch, classes, halves, resident
):
    if not halves:
        monkeypatch.setattr(kernel, "has_halves", lambda: False)
    if not resident:
        monkeypatch.setattr(features_module, "RESIDENT_BYTES", 0)
    features = Standardised.fit(file_of(tmp_path))
    one, many = scored(features, classes, 1), scored(features, classes, 2)
    torch.testing.assert_close(one[0], many[0], rtol=1e-4, atol=1e-4 * float(many[0].abs().max()))


@pytest.mark.parametrize("classes", [2, 5])
def test_tensors_give_what_the_kernel_gives(tmp_path, monkeypatch, classes):
    features = Standardised.fit(file_of(tmp_path))
    compiled = scored(features, classes, 1)
    monkeypatch.setattr(cache_lines, "LANES", DEPTH + 1)  # rows too short for the kernel
    by_tensors = scored(features, classes, 1)
    torch.testing.assert_close(compiled, by_tensors, rtol=1e-4, atol=1e-4)


def test_only_rows_of_a_project_s_file_are_read_as_they_are(tmp_path):
    halves = Standardised.fit(file_of(tmp_path))
    stored = as_stored(halves)
    assert stored is not None
    assert stored.raw is halves.raw
    assert as_stored(Standardised.fit(file_of(tmp_path, np.float32))) is None
    meta = Standardised(halves.raw, halves.mean.to("meta"), halves.scale.to("meta"))
    assert as_stored(meta) is None  # the arithmetic is elsewhere


def test_the_strength_of_a_fresh_project_is_by_rows_and_features_and_within_bounds():
    assert ridge.by_size(1, 4) == ridge.by_size(0, 4) == 9.0
    assert ridge.by_size(10**9, 1) == 0.25 and ridge.by_size(1, 10**6) == 16.0


def test_classes_share_a_matrix_only_beyond_the_limit():
    for classes in (2, ridge.BLOCKS, ridge.BLOCKS + 1):
        proba = torch.randn(7, classes).softmax(1)
        variance = proba * (1 - proba) + ridge.FLOOR
        wanted = {2: variance[:, :1], ridge.BLOCKS: variance}.get(
            classes, torch.stack([row.mean() for row in variance])[:, None]
        )
        torch.testing.assert_close(ridge.block_weights(proba), wanted)
