"""Shares of the members, trained apart and handed on after each epoch, are the whole head."""

import torch
from toy_rows import clouds

from influence_core.training.heads.loop import HeadLoop
from influence_core.training.heads.steps import margin
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig

CONFIG = HeadConfig(6, 3, members=5, width=16, seed=2)
TRAINING = HeadTraining(batch=16, seed=4)
SHARES = (range(2), range(2, 5))
EPOCHS = 3


def whole(rows):
    loop = HeadLoop(rows, CONFIG, TRAINING)
    for _ in range(EPOCHS):
        loop.epoch(None)
    return loop


def handed_on(rows):
    """Every epoch in new loops that know nothing but what the last ones left."""
    order = torch.Generator().manual_seed(TRAINING.seed)
    states = [(HeadLoop(rows, CONFIG, TRAINING, share).params, None) for share in SHARES]
    margins = torch.zeros(len(rows.features))
    for _ in range(EPOCHS):
        way = torch.randperm(len(rows.features), generator=order)
        loops = []
        for share, (params, state) in zip(SHARES, states, strict=True):
            loop = HeadLoop(rows, CONFIG, TRAINING, share)
            loop.go_on_from(params, state)
            loop.pass_over(way)
            loops.append(loop)
        states = [(loop.params, loop.optimiser.state()) for loop in loops]
        margins += margin(sum(loop.seen for loop in loops) / CONFIG.members, rows.labels)
    return loops, margins / EPOCHS


def test_shares_are_the_members_of_the_whole():
    rows = clouds()[0]
    together, (apart, margins) = whole(rows), handed_on(rows)
    for number, one in enumerate(together.params):
        joined = torch.cat([loop.params[number] for loop in apart])
        torch.testing.assert_close(joined, one, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(margins, torch.from_numpy(together.aum()), rtol=1e-4, atol=1e-5)
    learned, flipped = (
        torch.cat(part) for part in zip(*(loop.look() for loop in apart), strict=True)
    )
    own_learned, own_flipped = together.look()
    torch.testing.assert_close(learned, own_learned, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(flipped, own_flipped, rtol=1e-4, atol=1e-6)


def test_an_optimiser_that_begins_anew_is_noticed():
    rows = clouds()[0]
    loop = HeadLoop(rows, CONFIG, TRAINING)
    loop.epoch(None)
    other = HeadLoop(rows, CONFIG, TRAINING)
    other.go_on_from(loop.params, None)
    way = torch.arange(len(rows.features))
    loop.pass_over(way)
    other.pass_over(way)
    assert not torch.allclose(loop.params[0], other.params[0])


def test_a_share_has_no_margin_of_its_own():
    loop = HeadLoop(clouds()[0], CONFIG, TRAINING, range(2))
    loop.epoch(None)
    assert loop.aum() is None
