"""Replay: what leaving a row out does to this very model.

score(t, i) = −∫ d loss_t / d w_i over w_i from 0 to 1, where w_i is how much row i counts in the
training that made this run: same start, same masks, same batch order. The training is gone through
backwards (`training.heads.replay`), which gives the derivative at 1 exactly, and by the flipped
side's residuals nearly that at 0; their mean is second order. Nothing to tune, no standard error.
Removing rows S changes the loss by about Σ_{i∈S} score(t, i), in nats; a row of another weight than
1 has its score times that weight. With the setting `SLOPE` the derivative at 1 alone.
The mean over many targets is one pass for their sum, as four groups whose spread is its error.

A pass over all rows costs about one training for one target, half of that each for many at once;
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
    MeanScores,
    Query,
    Scores,
    Settings,
    Targets,
    need_head,
)
from influence_core.progress import Progress, ProgressFn
from influence_core.training.heads.replay import weight_gradients
from influence_core.training.heads.tape import Tape, sizes
from influence_core.training.heads.types import HeadTraining, Rows

ROOM = 512 << 20  # bytes that all tapes of a run may keep
_ACTIVATIONS = 1 << 20  # bytes of one share's activations (E, B, H): all it touches stays in cache
_ADJOINTS = 256 << 20  # bytes of the adjoints of one pass, (T, E, …) three times
_MEMBERS = 128 << 20  # bytes that a query may keep of each member's own scores, (T, E, N)
GROUPS = 4  # of the targets of a mean
SLOPE = "slope"  # setting: true for the derivative itself, of which smoothness is asked


@dataclass(frozen=True, eq=False)
class _Prepared:
    evidence: Evidence
    head: HeadWeights
    training: HeadTraining
    whole_rows: bool = True  # what leaving a row out does; else the derivative by its weight
    lock: threading.Lock = field(default_factory=threading.Lock)  # tapes are used by one at a time
    tapes: dict[range, Tape] = field(default_factory=dict)

    def query(self, targets: Targets) -> Query:
        return _Query(self, targets)

    def mean(
        self, targets: Targets, progress: ProgressFn | None, cancel: threading.Event | None
    ) -> MeanScores:
        """One pass for the sum of all losses, as the sums of a few groups of targets."""
        count = len(targets)
        groups = min(GROUPS, count)
        own = torch.randperm(count, generator=torch.Generator().manual_seed(count)) % groups
        sizes = own.bincount().double()  # (G,)
        weights = (own == torch.arange(groups)[:, None]) / sizes[:, None]  # (G, T)
        with self.lock:
            found = self.backwards(targets, weights.float(), progress, cancel)
        each = found.sum(1).cpu().double()  # (G, N)
        mean = (each * sizes[:, None]).sum(0) / count
        spread = ((each - mean).square() * sizes[:, None]).sum(0) / (groups - 1 or torch.nan)
        return MeanScores(mean.float().numpy(), (spread / count).sqrt().float().numpy(), groups - 1)

    def backwards(
        self,
        targets: Targets,
        weights: Tensor,
        progress: ProgressFn | None,
        cancel: threading.Event | None,
    ) -> Tensor:
        """Scores of combinations (G, T) of the targets by each member, (G, E, N).

        Where those take too much memory, their sum over members (G, 1, N).
        """
        config, n = self.head.config, len(self.evidence)
        shares, device = self.shares(), targets.features.device
        numbers = config.width * (config.features + config.classes + 1)
        room = min(_ADJOINTS // (4 * 4 * numbers), _MEMBERS // (4 * n))  # members × combinations
        step = max(1, room // len(shares[0]))
        parts = [slice(start, start + step) for start in range(0, len(weights), step)]
        apart = 4 * len(weights) * config.members * n <= _MEMBERS
        out = torch.zeros(len(weights), config.members if apart else 1, n, device=device)
        tapes = [self.tape(members) for members in shares]
        new = sum(tape.last is None for tape in tapes)  # which train once more
        done, total = 0, (len(shares) * len(parts) + new) * len(tapes[0].batches)

        def told(step: int) -> None:
            if progress:
                progress(Progress("replay", done + step, total))

        for members, tape in zip(shares, tapes, strict=True):
            if tape.last is None:
                tape.end(told=told, cancel=cancel)
                done += len(tape.batches)
            for part in parts:
                own = weights[part]
                used = own.any(0).nonzero()[:, 0]  # of one target, nothing of the others is needed
                x, labels = targets.features[used.to(device)], targets.labels[used.to(device)]
                own = own[:, used].to(device)
                found = weight_gradients(
                    tape, x, labels, own, whole_rows=self.whole_rows, told=told, cancel=cancel
                )
                if apart:
                    out[part, members.start : members.stop] = -found
                else:
                    out[part] -= found.sum(1, keepdim=True)
                done += len(tape.batches)
        return out if self.evidence.weights is None else out * self.evidence.weights[:, 0].to(out)

    def tape(self, members: range) -> Tape:
        """The tape of a share, kept while all of them fit into `ROOM`."""
        if members not in self.tapes:
            own = self.evidence
            rows = Rows(own.features, own.labels, own.keys, own.weights)
            config, batch = self.head.config, self.training.batch_for(len(own))
            steps = (self.training.epochs or 0) * -(-len(own) // batch)
            *_, moving = sizes(config, len(members), batch, steps)  # of one share at a time
            room = max(0, ROOM - moving) * len(members) // config.members
            self.tapes[members] = Tape(rows, config, self.training, members, room)
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
    members: Tensor | None = None  # (T, E, N) of which `found` is the sum, if there is room

    def run(self, progress: ProgressFn | None, cancel: threading.Event | None) -> None:
        """Go through the training backwards for all targets.

        Raises:
            CancelledError: between two steps; what was recorded of the training stays.
        """
        with self.prepared.lock:
            if self.found is None:
                self._pass(progress, cancel)

    def scores(self, rows: slice) -> Scores:
        return Scores(self._all()[:, rows])

    def by_member(self, rows: Tensor) -> Tensor:
        """See `NatsQuery`; where there was no room for all members, each is the mean of them."""
        found, count = self._all(), self.prepared.head.config.members
        if self.members is None:
            return found[:, None, rows.to(found.device)].expand(-1, count, -1)
        return self.members[:, :, rows.to(found.device)] * count

    def _all(self) -> Tensor:
        if self.found is None:
            self.run(None, None)
        if self.found is None:
            raise ModelError("The training could not be replayed.")
        return self.found

    def _pass(self, progress: ProgressFn | None, cancel: threading.Event | None) -> None:
        one = torch.eye(len(self.targets))
        members = self.prepared.backwards(self.targets, one, progress, cancel)
        self.found = members.sum(1)
        if members.shape[1] == self.prepared.head.config.members:
            self.members = members


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
    return _Prepared(evidence, head, evidence.training, not settings.get(SLOPE, False))


REPLAY = Estimator(
    name="replay",
    title="Replay of this run",
    explanation=(
        "What leaving each row out does to this very model: its training, gone through\n"
        "backwards. Takes about one training a question; the others answer at once."
    ),
    source="Turnover, after metagradients: Engstrom et al. 2025; MAGIC: Ilyas & Engstrom 2025",
    prepare=prepare,
    needs_head=True,
    by_pass=True,
)
