"""Replay: the exact first-order influence of every row on this very model.

score(t, i) = −d loss_t / d w_i, where w_i is how much row i counts in the training that made this
run: same start, same masks, same batch order. The training is gone through backwards
(`training.heads.replay`): nothing to tune, no standard error. Removing rows S changes the loss by
about Σ_{i∈S} score(t, i), in nats.

A pass over all rows costs about 1.3 trainings for one target, half of that each for many at once;
the run is trained again once when the first question comes. The other estimators tell what *a model
trained like this one* would do; this one tells about *this model*.

Source: metagradients (Engstrom et al. 2025, arXiv 2503.13751), as attribution MAGIC (Ilyas &
Engstrom 2025, arXiv 2504.16430); for turn-over heads ours.
"""

import threading
from dataclasses import dataclass, field

import torch
from torch import Tensor

from influence_core.errors import ModelError
from influence_core.influence.base import (
    NO_SETTINGS,
    Estimator,
    Evidence,
    HeadWeights,
    Query,
    Scores,
    Settings,
    Targets,
    need_head,
)
from influence_core.progress import Progress, ProgressFn
from influence_core.training.heads.replay import Tape, weight_gradients
from influence_core.training.heads.types import HeadTraining, Rows

ROOM = 512 << 20  # bytes that all tapes of a run may keep
_ACTIVATIONS = 4 << 20  # bytes of one share's activations (T, E, B, H), so that they stay in cache
_ADJOINTS = 256 << 20  # bytes of the adjoints of one pass, (T, E, …) three times


@dataclass(frozen=True, eq=False)
class _Prepared:
    evidence: Evidence
    head: HeadWeights
    training: HeadTraining
    lock: threading.Lock = field(default_factory=threading.Lock)  # tapes are used by one at a time
    tapes: dict[range, Tape] = field(default_factory=dict)

    def query(self, targets: Targets) -> Query:
        return _Query(self, targets)

    def tape(self, members: range) -> Tape:
        """The tape of a share, kept while all of them fit into `ROOM`."""
        if members not in self.tapes:
            rows = Rows(self.evidence.features, self.evidence.labels, self.evidence.keys)
            room = ROOM * len(members) // self.head.config.members
            self.tapes[members] = Tape(rows, self.head.config, self.training, members, room)
        return self.tapes[members]

    def shares(self) -> list[range]:
        """Members that are gone through together."""
        config = self.head.config
        batch = self.training.batch_for(len(self.evidence))
        size = max(1, _ACTIVATIONS // (4 * batch * config.width))
        starts = range(0, config.members, size)
        return [range(first, min(first + size, config.members)) for first in starts]


@dataclass(eq=False)
class _Query:
    """All rows are scored by one pass, so the first chunk waits for all of them."""

    prepared: _Prepared
    targets: Targets
    found: Tensor | None = None  # (T, N)

    def run(self, progress: ProgressFn | None, cancel: threading.Event | None) -> None:
        """Go through the training backwards for all targets.

        Raises:
            CancelledError: between two steps; what was recorded of the training stays.
        """
        with self.prepared.lock:
            if self.found is None:
                self.found = self._pass(progress, cancel)

    def scores(self, rows: slice) -> Scores:
        if self.found is None:
            self.run(None, None)
        if self.found is None:
            raise ModelError("The training could not be replayed.")
        return Scores(self.found[:, rows])

    def _pass(self, progress: ProgressFn | None, cancel: threading.Event | None) -> Tensor:
        prepared, count = self.prepared, len(self.targets)
        config = prepared.head.config
        shares = prepared.shares()
        numbers = config.width * (config.features + config.classes + 1)
        many = max(1, _ADJOINTS // (4 * 4 * numbers * len(shares[0])))  # targets of one pass
        parts = torch.arange(count, device=self.targets.features.device).split(many)
        out = torch.zeros(count, len(prepared.evidence), device=self.targets.features.device)
        done, total = 0, len(shares) * len(parts) * len(prepared.tape(shares[0]).batches)
        for members in shares:
            tape = prepared.tape(members)
            for part in parts:

                def told(step: int, before: int = done) -> None:
                    if progress:
                        progress(Progress("replay", before + step, total))

                x, labels = self.targets.features[part], self.targets.labels[part]
                one = torch.eye(len(part), device=x.device)
                out[part] -= weight_gradients(tape, x, labels, one, told=told, cancel=cancel)
                done += len(tape.batches)
        return out


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Nothing is trained before the first question.

    Raises:
        ModelError: a whole network, or a head whose training is not known.
    """
    head = need_head(evidence, REPLAY.name)
    if evidence.training is None or evidence.training.epochs is None:
        raise ModelError(
            "This head's training is not on record, so it cannot be replayed; train it again or "
            "choose 'flipped-ridge'."
        )
    return _Prepared(evidence, head, evidence.training)


REPLAY = Estimator(
    name="replay",
    title="Replay of this run",
    explanation=(
        "The exact first-order effect of each row on this very model: its training, gone through\n"
        "backwards. Takes about one training a question; the others answer at once."
    ),
    source="Turnover, after metagradients: Engstrom et al. 2025; MAGIC: Ilyas & Engstrom 2025",
    prepare=prepare,
    needs_head=True,
)
