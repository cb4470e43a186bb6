"""The paper's estimator: flipped loss minus learned loss, for all rows at once.

I(z_t, z_i) = L(f^m̃(z_i), z_t) − L(f^m(z_i), z_t), averaged over the members of a head; the spread
over members gives the standard error (Kobayashi et al. 2020, eq. 8). The hidden activations of the
target are shared by all rows, so a row's learned logits are a sum of table entries, one for each
byte of its mask, and its flipped logits are full/p − learned. No mask is ever stored.

`scan_kernels` holds the compiled loops; the torch path serves other devices.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

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
from influence_core.influence.scan_kernels import MaskStream, byte_tables, scan_rows
from influence_core.turnover.head import hidden, member_masks

_TORCH_CHUNK = 256


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    head: HeadWeights

    def query(self, targets: Targets) -> Query:
        h = hidden(targets.features, self.head.W1, self.head.b1)  # (E, T, H)
        contributions = h.transpose(0, 1)[..., None] * self.head.W2  # (T, E, H, C)
        return _Query(
            self.evidence.keys, self.head, contributions / self.head.config.p, targets.labels
        )


@dataclass(frozen=True)
class _Query:
    keys: Tensor
    head: HeadWeights
    contributions: Tensor  # (T, E, H, C): what each unit adds to the learned logits
    labels: Tensor  # (T,)

    def scores(self, rows: slice) -> Scores:
        per_target = [self._one(t, self.keys[rows]) for t in range(len(self.labels))]
        return Scores(
            torch.stack([score for score, _ in per_target]),
            torch.stack([error for _, error in per_target]),
        )

    def _one(self, t: int, keys: Tensor) -> tuple[Tensor, Tensor]:
        label = int(self.labels[t])
        if keys.device.type != "cpu":
            return torch_scores(keys, self.head, self.contributions[t], label)
        stream = MaskStream.of(self.head.config)
        base, table = byte_tables(self.contributions[t].numpy(), stream)
        full = self.contributions[t].sum(1).numpy()
        mean, stderr = scan_rows(keys.numpy().view("uint64"), stream, base, table, full, label)
        return torch.from_numpy(mean), torch.from_numpy(stderr)


def torch_scores(
    keys: Tensor, head: HeadWeights, contributions: Tensor, label: int
) -> tuple[Tensor, Tensor]:
    """The same scores by unpacked masks and one product a member: any device, and the oracle.

    Args:
        keys: (n,). contributions: (E, H, C), already divided by p. label: class index.

    Returns:
        Mean over members and its standard error, each (n,).
    """
    scores = []
    total = contributions.sum(1, keepdim=True)  # (E, 1, C): learned + flipped
    for part in keys.split(_TORCH_CHUNK * max(1, 4096 // head.config.width)):
        bits = member_masks(part, head.config) * head.config.p  # (E, n, H) of 0 and 1
        learned = torch.bmm(bits, contributions)
        gap = _loss(total - learned, label) - _loss(learned, label)  # (E, n)
        scores.append(gap)
    gaps = torch.cat(scores, dim=1)
    return gaps.mean(0), standard_error(gaps)


def standard_error(members: Tensor) -> Tensor:
    """Standard error of the mean over members: (E, n) to (n,); NaN for a single member."""
    if len(members) < 2:
        return torch.full_like(members[0], float("nan"))
    return members.std(0) / len(members) ** 0.5


def _loss(logits: Tensor, label: int) -> Tensor:
    return torch.logsumexp(logits, -1) - logits[..., label]


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Nothing to precompute beyond the head itself."""
    return _Prepared(evidence, need_head(evidence, "turnover"))


TURNOVER = Estimator(
    name="turnover",
    title="Turn-over dropout",
    explanation=(
        "Loss of the sub-networks that never saw the row minus loss of those that did.\n"
        "The mean over members, with its standard error; noisy on its own beyond small data."
    ),
    source="Kobayashi et al. 2020, eq. 8",
    has_stderr=True,
    prepare=prepare,
)
