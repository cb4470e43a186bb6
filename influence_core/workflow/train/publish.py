"""Keep a whole network as a run: its own, or one that somebody trained with their own script.

A network run on disk:

    model.safetensors  flipped (N, C) float16, mean scale (d,), last (C, d): logits are features @
                       last.T; network/<name>: the learned weights
    rows.parquet, pred-<split>.parquet  as for a head (`workflow.train`)
    audit.parquet      the isolation audit, one line a parameter
    features/<hash>/   in the project: what the last layer is given, under the weights' fingerprint
    progress.jsonl     both sides' losses per epoch
"""

import math
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from influence_core.disk.arrays import new_array
from influence_core.disk.atomic import atomic_file, write_json
from influence_core.disk.fingerprint import of_tensors
from influence_core.disk.formats import stamped
from influence_core.influence.sides import Sides
from influence_core.progress import Progress, ProgressFn
from influence_core.store.project import Project
from influence_core.store.runs import Run, RunWriter
from influence_core.training.features import moments
from influence_core.training.networks.encoder import WEIGHTS
from influence_core.training.networks.rows import split_rows
from influence_core.training.networks.run import NetworkRun, read_network
from influence_core.turnover.calls import Inputs
from influence_core.turnover.layer import turnover_layers
from influence_core.workflow.train.audit import write_audit
from influence_core.workflow.train.run_tables import predictions, row_table, split_metrics


def publish(
    project: Project,
    model: nn.Module,
    prepare: Callable[[Sequence[Any]], Inputs],
    *,
    note: str = "",
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Run:
    """Show a network of your own in the dashboard: one call after your training script.

    Args:
        project: whose training rows the model was trained on, under these rows' keys.
        model: with turn-over layers, trained.
        prepare: sentences, or encoded images as bytes, to what the model takes.
        note: shown beside the run.

    Raises:
        ModelError: no turn-over layers, or no last Linear layer. StoreError: it cannot be written.
    """
    rows = {name: split_rows(split, prepare) for name, split in project.dataset.splits.items()}
    run = read_network(model, rows, progress=progress, cancel=cancel)
    layers = [layer.spec() for layer in turnover_layers(model).values()]
    config = {"network": None, "model": type(model).__name__, "layers": layers}
    return store_network(project, run, last_layer(model), config, note=note)


def last_layer(model: nn.Module) -> Tensor:
    """Weight (C, d) of the last Linear layer."""
    return [m for m in model.modules() if isinstance(m, nn.Linear)][-1].weight.detach()


def store_network(
    project: Project,
    run: NetworkRun,
    last: Tensor,
    config: Mapping[str, Any],
    *,
    seed: int = 0,
    note: str = "",
) -> Run:
    """Write a network run with all that pages read; returns it.

    Args:
        project: whose data it was trained on.
        run: from `run_network` or `read_network`, with a view of every split.
        last: weight (C, d) of the last layer.
        config: every setting, plain values; `network` are those of `NetworkSettings`, or None for
            a model that only its author can build.

    Raises:
        StoreError: the disk is full or the folder cannot be written; nothing of the run is kept.
    """
    fingerprint = of_tensors(config["network"] or config, run.fit.state)
    writer = project.new_run("network", config, seed, fingerprint, note)
    with writer, _features(project, run, fingerprint):
        for stats in run.fit.history:
            metrics = {name: v for name, v in asdict(stats).items() if not math.isnan(v)}
            writer.progress(Progress("train", stats.epoch, len(run.fit.history), metrics=metrics))
        _write(writer, project, run, last)
    return writer.run


def _write(writer: RunWriter, project: Project, run: NetworkRun, last: Tensor) -> None:
    train = project.dataset.train
    mean, scale = moments(run.views["train"].features)
    writer.write_tensors(
        {
            "flipped": torch.from_numpy(run.sides.flipped).half(),
            "mean": mean,
            "scale": scale,
            "last": last,
            **{WEIGHTS + name: value for name, value in run.fit.state.items()},
        }
    )
    nothing = np.full(len(train), np.nan, np.float32)
    sides = Sides(run.sides.flipped, run.sides.learned, run.sides.self_influence, nothing)
    writer.write_table("rows", row_table(train, sides, None))
    hits = run.sides.flipped.argmax(1) == train.labels
    metrics = {"epochs": float(run.fit.epochs), "flipped_accuracy": float(hits.mean())}
    for name, split in project.dataset.splits.items():
        if name != "train":
            table = predictions(split, run.views[name].proba)
            writer.write_table(f"pred-{name}", table)
            metrics |= split_metrics(name, table)
    write_audit(writer, run.audit)
    writer.set(metrics=metrics)


@contextmanager
def _features(project: Project, run: NetworkRun, fingerprint: str) -> Iterator[None]:
    """Write the features; they go again if the run cannot be written."""
    folder = project.features_folder(fingerprint)
    there = folder.exists()
    try:
        _write_features(project, run, fingerprint)
        yield
    except BaseException:
        if not there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_features(project: Project, run: NetworkRun, fingerprint: str) -> None:
    """Features of all splits, in the form that `models.encode` leaves behind."""
    for name, view in run.views.items():
        path = project.features_path(name, fingerprint)
        with atomic_file(path) as temporary:
            features = new_array(temporary, view.features.dtype, view.features.shape)
            features[:] = view.features
            features.flush()
        card = {
            "split": name,
            "rows": len(view.features),
            "dim": int(view.features.shape[1]),
            "encoder_fingerprint": fingerprint,
            "dataset_fingerprint": project.fingerprint,
            "done": len(view.features),
            "items": len(view.features),
        }
        write_json(path.with_suffix(".json"), stamped("features", card))
