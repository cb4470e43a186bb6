"""Encoding by the workers of a Ray cluster: each loads the encoder and encodes blocks of rows.

The driver alone writes the feature file, block after block in the usual order, so that the file is
the one that this machine would write, and a kill loses what was under way only. Called by `train`.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from influence_core.errors import MismatchError
from influence_core.models.device import pick_device
from influence_core.models.encode import Compute, Positions, Values, block_values
from influence_core.models.encoders import Encoder, load_encoder
from influence_core.store.project import Project
from influence_core.workflow.cluster.cluster import Cluster, opened_project, state_of


@dataclass(frozen=True)
class SplitTask:
    """What all blocks of a split have in common."""

    root: str
    state: str
    split: str
    encoder: str
    fingerprint: str
    device: str


def on_cluster(
    cluster: Cluster, project: Project, split: str, cancel: threading.Event | None = None
) -> Compute:
    """Who encodes the split's blocks, for `encode_split`."""
    settings = project.settings
    task = SplitTask(
        str(project.root.resolve()), state_of(project), split, settings.encoder,
        settings.encoder_fingerprint, cluster.device,
    )  # fmt: skip

    def compute(blocks: Iterable[Positions]) -> Iterator[Values]:
        each = ((rows,) for rows in blocks)
        for _, values in cluster.map(_encoded, task, each, ordered=True, cancel=cancel):
            yield values

    return compute


def _encoded(task: SplitTask, rows: Positions) -> Values:
    """In a worker: features of a block."""
    split = opened_project(task.root, task.state).dataset.split(task.split)
    return block_values(_encoder(task), split, rows)


@lru_cache(maxsize=1)
def _encoder(task: SplitTask) -> Encoder:
    """The encoder in this worker, kept for its next blocks."""
    encoder = load_encoder(
        task.encoder,
        root=Path(task.root),
        device=pick_device(task.device),
        fingerprint=task.fingerprint,
    )
    if encoder.fingerprint != task.fingerprint:
        raise MismatchError(
            f"A worker's encoder {task.encoder} has other weights than this machine's; install the "
            "same version of the package or model on all machines of the cluster."
        )
    return encoder
