"""The verb `train`: encode once, fit a turn-over head, keep everything that later pages read.

A head run on disk:

    model.safetensors  W1 b1 W2 (float16), mean scale (d,), flipped (N, C) float16
    rows.parquet       one line a training row: both sides' probability of its label, the flipped
                       side's prediction, self-influence with its standard error, AUM
    pred-<split>.parquet  one line an item: label, prediction, confidence, probability of the label
    audit.parquet      the isolation audit, one line a parameter
    progress.jsonl     both sides' losses and that of held-out items per epoch
"""

import threading
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from influence_core.data.images import PIXELS
from influence_core.errors import DataError, StoreError
from influence_core.influence.base import HeadWeights
from influence_core.influence.sides import Sides, both_sides
from influence_core.models.device import memory_told, pick_device
from influence_core.models.encode import encode_split
from influence_core.models.encoders import for_texts, is_own, load_encoder
from influence_core.models.feature_file import knows_windows
from influence_core.progress import Progress, ProgressFn
from influence_core.store.project import Project
from influence_core.store.runs import Run, RunWriter
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import check_rows, fit_heads
from influence_core.training.heads.presets import STANDARD, preset
from influence_core.training.heads.types import HeadFit, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.cluster.encode import on_cluster
from influence_core.workflow.cluster.train import ClusterLoop, sides_on_cluster, train_task
from influence_core.workflow.train.audit import audit_head, write_audit
from influence_core.workflow.train.finding import sides_finding
from influence_core.workflow.train.resume import head_checkpoint
from influence_core.workflow.train.runs.tables import prediction_table, row_table, split_metrics
from influence_core.workflow.train.watch import held_out


@dataclass(frozen=True)
class TrainOptions:
    """What a user may choose; `epochs=None` stops by itself on the flipped side.

    `size` names a preset, which says how steps are made; `of_size` takes its shape as well.
    """

    members: int = 16
    width: int = 256
    p: float = 0.5
    epochs: int | None = None
    seed: int = 0
    device: str = "auto"
    size: str = STANDARD

    @classmethod
    def of_size(
        cls, size: str, members: int | None = None, width: int | None = None, **more: Any
    ) -> "TrainOptions":
        """A preset, with members or width of one's own.

        Raises:
            DataError: there is no such size.
        """
        shape = preset(size)
        return cls(members or shape.members, width or shape.width, size=size, **more)


def train(
    project: Project,
    options: TrainOptions | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    cluster: Cluster | None = None,
) -> Run:
    """Train a head on the project's frozen encoder and store the run.

    Features that are already on disk for this data and encoder are used as they are. A cluster's
    workers encode, train a share of the members each, and take the rows' sides; all else is done
    here. A training that was killed or cancelled goes on after its last epoch that was kept
    (`resume`), and ends with the weights of an unbroken one: on one machine, or on a cluster
    of as many workers, to the bit.

    Raises:
        DataError: a split has fewer than two classes. ModelError: the encoder cannot be loaded.
        ResourceError: memory. CancelledError: `cancel` was set; there is no run, but whole epochs
            are kept.
    """
    options = options or TrainOptions()
    device = pick_device(options.device)
    project = encode(
        project, device=options.device, progress=progress, cancel=cancel, cluster=cluster
    )
    config, rows = _rows(project, options, device)
    training = preset(options.size).training(len(rows.keys), options.epochs, options.seed)
    writer = project.new_run(
        "head",
        {"head": config.to_dict(), "training": asdict(training), "options": asdict(options)},
        options.seed,
        project.settings.encoder_fingerprint,
    )
    with writer:

        def tell(event: Progress) -> None:
            writer.progress(event)
            if progress:
                progress(event)

        features = _standardised(rows)
        loop, work = None, None
        checkpoint = head_checkpoint(project, rows, config, training, cluster)
        if cluster is not None:
            check_rows(rows, config)
            work = train_task(cluster, project, features, config, training)
            loop = ClusterLoop(cluster, work, rows.labels)
        watch = held_out(project, features, config)
        with memory_told(
            "Memory ran out in a training step; choose a smaller --size, close other programs, or "
            "choose another device (--device cpu)."
        ):
            fit = fit_heads(
                rows, config, training,
                progress=tell, cancel=cancel, watch=watch, loop=loop, checkpoint=checkpoint,
            )  # fmt: skip
        head = _kept(fit, device)
        if cluster is not None and work is not None:
            sides = sides_on_cluster(
                cluster, work, head, len(rows.keys), progress=progress, cancel=cancel
            )
        else:
            # To the page only: what the run keeps is a line an epoch.
            sides = both_sides(
                features, rows.labels, rows.keys, head, progress=progress, cancel=cancel
            )
        write_audit(writer, audit_head(head, features, rows.labels, rows.keys))
        _store(writer, project, (fit, head, sides), features)
    checkpoint.file.discard()
    return writer.run


def encode(
    project: Project,
    *,
    device: str = "auto",
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    cluster: Cluster | None = None,
) -> Project:
    """Make the features of every split that has none yet; returns the project as stored.

    Texts that are longer than the encoder reads get features in windows; those of earlier versions,
    which were cut, stay with their runs.
    """
    data = project.dataset
    settled = data.modality == "image" or all(
        knows_windows(project.features_path(name)) for name in data.splits
    )
    if settled and all(has_features(project, name) for name in data.splits):
        return project
    if is_own(project.settings.encoder):
        raise StoreError(
            f"The features that project {project.name!r} was made with are missing or damaged; "
            "restore its folder from a copy, or make it again from them (turnover new --features)."
        )
    encoder = load_encoder(project.settings.encoder, root=project.root, device=pick_device(device))
    if data.modality == "text":
        # Those that are predicted later are read by the same encoder, in windows where they must.
        every = (*data, *data.unlabelled.values())
        encoder = for_texts(encoder, (split.texts() for split in every))
    if encoder.fingerprint != project.settings.encoder_fingerprint:
        project = project.with_settings(encoder_fingerprint=encoder.fingerprint)
    for name, split in project.dataset.splits.items():
        path = project.features_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        encode_split(
            encoder,
            split,
            path,
            dataset_fingerprint=project.fingerprint,
            compute=None if cluster is None else on_cluster(cluster, project, name, cancel),
            progress=progress,
            cancel=cancel,
        )
    return project


def has_features(project: Project, split: str) -> bool:
    """Whether the split is encoded by the encoder that the project knows, from today's pixels.

    Features of pictures that an earlier version decoded in another way stay with their runs.
    """
    known = project.settings.encoder_fingerprint
    pixels = project.settings.modality == "image" and not is_own(project.settings.encoder)
    if not known or (pixels and not known.startswith(PIXELS)):
        return False
    path = project.features_path(split)
    if not path.is_file():
        return False
    try:
        project.features(split)
    except Exception:  # incomplete or damaged: encoding goes on or starts again
        return False
    return True


def _rows(project: Project, options: TrainOptions, device: torch.device) -> tuple[HeadConfig, Rows]:
    split = project.dataset.train
    labels = np.asarray(split.labels)
    if len(np.unique(labels[labels >= 0])) < 2:
        raise DataError(
            "The training rows have only one class; a classifier needs at least two, so add rows "
            "of another class or choose another label column."
        )
    features = Standardised.fit(project.features("train"), device)
    config = HeadConfig(
        features=len(features.mean),
        classes=len(project.dataset.classes),
        members=options.members,
        width=options.width,
        p=options.p,
        seed=options.seed,
    )
    return config, Rows(features, torch.from_numpy(labels.copy()), as_keys(split.keys))


def _standardised(rows: Rows) -> Standardised:
    features = rows.features
    if not isinstance(features, Standardised):
        raise TypeError("Training rows of a project are always standardised features.")
    return features


def _kept(fit: HeadFit, device: torch.device) -> HeadWeights:
    """The weights as they will be read back: float16 on disk is half the size.

    Rounding happens before anything is computed from them, so scores never depend on whether the
    model came from memory or from disk.
    """

    def rounded(t: Tensor) -> Tensor:
        half = t.half()
        return (half if bool(torch.isfinite(half).all()) else t).float().to(device)

    return HeadWeights(rounded(fit.W1), rounded(fit.b1), rounded(fit.W2), fit.config)


def _store(
    writer: RunWriter,
    project: Project,
    trained: tuple[HeadFit, HeadWeights, Sides],
    features: Standardised,
) -> None:
    fit, head, sides = trained
    split = project.dataset.train
    writer.write_tensors(
        {
            "W1": _half(head.W1),
            "b1": _half(head.b1),
            "W2": _half(head.W2),
            "mean": features.mean,
            "scale": features.scale,
            "flipped": torch.from_numpy(sides.flipped).half(),
        }
    )
    writer.write_table("rows", row_table(split, sides, fit.aum))
    metrics: dict[str, float] = {
        "epochs": fit.epochs,
        "flipped_accuracy": float((sides.flipped.argmax(1) == split.labels).mean()),
    }
    for name, other in project.dataset.splits.items():
        if name == "train":
            continue
        raw = project.features(name)
        here = Standardised.using(raw, features.mean, features.scale, features.mean.device)
        table = prediction_table(other, head, here)
        writer.write_table(f"pred-{name}", table)
        metrics |= split_metrics(name, table)
    writer.set(
        metrics=metrics,
        finding=sides_finding(np.asarray(split.labels), sides.learned, sides.flipped),
    )


def _half(t: Tensor) -> Tensor:
    half = t.half()
    return half if bool(torch.isfinite(half).all()) else t
