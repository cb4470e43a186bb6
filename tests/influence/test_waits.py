"""How often the host waits for a card: once a chunk at most, never within a training's steps.

Counted on the card that stands for one (`support/card.py`): reading a number or copying anything
but pinned memory empties a real card's queue, and a thousand small steps then take as long as waits
do. What a piece of work waits for must not depend on how many chunks or steps it has.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from card import card

from benchmarks.gpu_cases import TINY, _run
from influence_core.influence import ESTIMATORS, estimator
from influence_core.influence.base import HeadWeights
from influence_core.influence.scan import full_scores, mean_influence, scan
from influence_core.influence.sides import both_sides
from influence_core.labels.neighbours import nearest
from influence_core.training import features
from influence_core.training.features import Subset
from influence_core.training.heads.loop import HeadLoop
from influence_core.training.heads.replay import weight_gradients
from influence_core.training.heads.tape import Tape
from influence_core.training.heads.types import HeadTraining, Rows

SCANNED = [name for name, one in ESTIMATORS.items() if not one.by_pass]
SIZES = replace(TINY, rows=200)


@pytest.fixture(params=["resident", "on disk"])
def there(request, monkeypatch):
    """A card, a run on it and targets; its features there, or sent block by block."""
    with card() as owner:
        if request.param == "on disk":
            monkeypatch.setattr(features, "resident_bytes", lambda device: 0)
        evidence, targets = _run(torch.device("cuda"), SIZES)
        yield owner, evidence, targets[:3]


def waits(owner, work):
    owner.waits.clear()
    work()
    return owner.waits.total()


@pytest.mark.parametrize("name", SCANNED)
def test_a_scan_waits_as_often_for_many_chunks_as_for_few(there, name):
    owner, evidence, targets = there
    query = estimator(name).prepare(evidence).query(targets)

    def listed(chunk):
        allowed = torch.arange(200) % 2 == 0
        scan(query, 200, k=3, chunk=chunk, candidates=allowed, exclude=[0])

    listed(100)  # what is made once
    few, many = (waits(owner, lambda c=chunk: listed(c)) for chunk in (100, 10))
    assert few == many <= 3


def test_looking_after_every_chunk_waits_once_a_list(there):
    owner, evidence, targets = there
    query = estimator("turnover").prepare(evidence).query(targets)
    looks = []
    count = waits(owner, lambda: scan(query, 200, k=3, chunk=20, on_partial=looks.append))
    assert count <= 2 * (len(looks) + 1)


def test_what_must_cross_over_waits_once_a_chunk(there, tmp_path):
    owner, evidence, targets = there
    query = estimator("turnover").prepare(evidence).query(targets)
    assert waits(owner, lambda: mean_influence(query, 200, chunk=20)) == 10
    assert waits(owner, lambda: full_scores(query, 200, tmp_path / "s.npy", chunk=20)) == 10
    head = evidence.head
    assert waits(owner, lambda: both_sides(evidence.features, evidence.labels, evidence.keys,
                                           head)) == 1  # fmt: skip
    assert waits(owner, lambda: nearest(evidence.features, 200)) <= 1 + 1


@pytest.mark.parametrize("batch", [100, 25])
def test_an_epoch_waits_as_often_however_many_steps_it_has(there, batch):
    owner, evidence, _ = there
    rows = Rows(evidence.features, evidence.labels, evidence.keys)
    loop = HeadLoop(rows, evidence.head.config, HeadTraining(epochs=1, batch=batch))
    loop.epoch(None)
    assert waits(owner, lambda: loop.epoch(None)) == 1
    assert waits(owner, lambda: loop.probe(1)) <= 3


@pytest.mark.parametrize("weighted", [False, True])
def test_a_replay_waits_as_often_however_many_steps_it_has(there, weighted):
    owner, evidence, targets = there
    weights = torch.full((200, 1), 0.5, device="cuda") if weighted else None
    rows = Rows(evidence.features, evidence.labels, evidence.keys, weights)
    one = torch.eye(3, device="cuda")

    def counted(batch, room):
        training = HeadTraining(epochs=1, batch=batch)
        tape = Tape(rows, evidence.head.config, training, range(2), room)
        tape.end()

        def back():
            weight_gradients(tape, targets.features, targets.labels, one)

        back()
        return waits(owner, back)

    assert counted(100, 1 << 30) == counted(40, 1 << 30) == counted(40, 0) <= 2


def test_rows_that_are_left_after_a_cleansing_are_taken_without_waiting(monkeypatch):
    with card() as owner:
        evidence, _ = _run(torch.device("cuda"), SIZES)
        kept = torch.arange(0, 200, 2, device="cuda")
        some = Subset(evidence.features, kept)
        order = torch.randperm(100).pin_memory()
        assert waits(owner, lambda: [some.rows(part) for part in order.split(10)]) == 0


def test_masks_are_made_on_the_card_and_not_copied_there():
    with card() as owner:
        evidence, _ = _run(torch.device("cuda"), SIZES)
        keys, head = evidence.keys, evidence.head
        assert isinstance(head, HeadWeights)
        from influence_core.turnover.head import member_masks

        made = None

        def make():
            nonlocal made
            made = member_masks(keys, head.config)

        assert waits(owner, make) == 0
        np.testing.assert_array_equal(
            made.cpu().numpy(), member_masks(keys.cpu(), head.config).numpy()
        )
