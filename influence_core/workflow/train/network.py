"""The verb `train --mode finetune`: train a whole network under turn-over dropout, as a run.

Every epoch leaves a checkpoint in the project (`workflow.train.resume`). The same command after a
kill, a cancel or a power cut finds it there and goes on; on a CPU it ends with the weights of an
unbroken training. The checkpoint goes when the run is stored.

Under `accelerate launch` the processes share every batch, and the first one stores the run.
Called by `cli.train.train`; `networks` says what a network run keeps on disk.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from influence_core.data.dataset import CONTENT_WORDS
from influence_core.disk.checkpoint import SUFFIX
from influence_core.disk.fingerprint import of_json
from influence_core.errors import DataError, ModelError, StoreError
from influence_core.models.encoders import SCHEMES
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.store.runs import Run
from influence_core.training.networks.accelerator import first_process, wait_for_all
from influence_core.training.networks.fit import check_network
from influence_core.training.networks.registry import (
    BUILDERS,
    Network,
    NetworkSettings,
    build_network,
)
from influence_core.training.networks.run import run_network
from influence_core.training.networks.types import NetworkData, NetworkTraining
from influence_core.turnover.inject.twins import Twins
from influence_core.workflow.costs.networks import finetune_text
from influence_core.workflow.train.publish import store_network
from influence_core.workflow.train.resume import place


@dataclass(frozen=True)
class NetworkOptions:
    """What a user may choose.

    Attributes:
        encoder: a spec, the bare name of a torchvision or transformers model, or a folder; "" is
            the project's own encoder.
        blocks: last blocks with masks beside the classifier; None is the plan's default.
        p: share of units on a row's learned side.
        twins: "off", "start" or "widen" (`turnover.inject.twins`).
        learning_rate: None is that of the kind of network.
        training: everything else; its learning rate is not read.
    """

    encoder: str = ""
    blocks: int | None = None
    p: float = 0.5
    twins: Twins = "widen"
    learning_rate: float | None = None
    training: NetworkTraining = field(default_factory=NetworkTraining)


def train_network(
    project: Project,
    options: NetworkOptions | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    announce: Callable[[str], None] | None = None,
) -> Run:
    """Train, audit, and store the run.

    Args:
        announce: is told in a sentence what the training will take, if that is long; a few steps
            of a copy are measured for it.

    Raises:
        ModelError: unknown encoder, weights out of reach, or a network of the other modality.
        DataError: fewer than two classes, or rows without a label. ResourceError: memory.
        CancelledError: `cancel` was set; the last whole epoch is kept for the next call.
    """
    options = options or NetworkOptions()
    _check_classes(project)
    network = build_network(network_settings(project, options), root=project.root)
    if network.modality != project.dataset.modality:
        raise ModelError(
            f"'{network.settings.encoder}' reads {CONTENT_WORDS[network.modality][1]}, but project "
            f"'{project.name}' holds {CONTENT_WORDS[project.dataset.modality][1]}; choose another "
            "--encoder."
        )
    rate = options.learning_rate or network.learning_rate
    training = replace(options.training, learning_rate=rate)
    # Device and loader processes are left out: a training may go on elsewhere.
    plain = asdict(replace(training, device="", workers=0))
    asked = of_json([network.settings.to_dict(), plain, project.fingerprint])
    checkpoint = place(project, "network", asked).with_suffix(SUFFIX)
    rows = {name: network.rows(split) for name, split in project.dataset.splits.items()}
    check_network(network.model, NetworkData(rows["train"]))
    # Processes of one launch do not measure each other, and what was begun has told before.
    if announce and not checkpoint.exists() and os.environ.get("WORLD_SIZE", "1") == "1":
        said = finetune_text(network.model, rows, training, cancel)
        if said:
            announce(said)
    done = run_network(
        network.model, rows, training, checkpoint=checkpoint, progress=progress, cancel=cancel
    )
    run = None
    if first_process():
        run = store_network(project, done, _config(network, training), seed=training.seed)
        checkpoint.unlink(missing_ok=True)
    wait_for_all()
    # The others of a launch did their share of every batch, and find what the first has stored.
    run = run or project.latest_run()
    if run is None:
        raise StoreError("The first process stored no run; its own message says why.")
    return run


def network_settings(project: Project, options: NetworkOptions) -> NetworkSettings:
    """What `build_network` needs."""
    return NetworkSettings(
        encoder=encoder_spec(options.encoder or project.settings.encoder, project.root),
        classes=len(project.dataset.classes),
        blocks=options.blocks,
        p=options.p,
        seed=options.training.seed,
        twins=options.twins,
    )


def encoder_spec(name: str, root: Path) -> str:
    """A spec as it is; a bare torchvision or transformers name, or a folder, with its scheme."""
    from torchvision import models

    if name.partition(":")[0] in BUILDERS.keys() | SCHEMES.keys():
        return name
    if Path(name).is_dir() or (root / name).is_dir():
        return f"hf:{Path(name).resolve() if Path(name).is_dir() else name}"
    if name in models.list_models(module=models):
        return f"torchvision:{name}"
    return f"hf:{name}"


def _config(network: Network, training: NetworkTraining) -> dict[str, object]:
    placed = [asdict(place) for place in network.report.placed]
    return {
        "network": network.settings.to_dict(),
        "model": type(network.model).__name__,
        "training": asdict(training),
        "layers": placed,
    }


def _check_classes(project: Project) -> None:
    labels = project.dataset.train.labels
    if len(set(labels[labels >= 0].tolist())) < 2:
        raise DataError(
            "The training rows have only one class; a classifier needs at least two, so add rows "
            "of another class or choose another label column."
        )
