"""Keep a whole network as a run: its own, or one that somebody trained with their own script.

A network run on disk:

    model.safetensors  flipped (N, C) float16, mean scale (d,), last (C, d), bias (C,): logits are
                       features @ last.T + bias; network/<name>: the learned weights
    kept/              of a network that can be built again out of transformers: configuration and
                       tokenizer or image processor; all weights are in model.safetensors then
    rows.parquet, pred-<split>.parquet  as for a head (`workflow.train`)
    audit.parquet      the isolation audit, one line a parameter
    features/<hash>/   in the project: what the last layer is given, under the weights' fingerprint
    progress.jsonl     both sides' losses per epoch
"""

import logging
import math
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from influence_core.disk.arrays import new_array
from influence_core.disk.atomic import atomic_file, write_json
from influence_core.disk.fingerprint import of_tensors
from influence_core.disk.formats import stamped
from influence_core.errors import ModelError
from influence_core.influence.sides import Sides
from influence_core.progress import Progress, ProgressFn
from influence_core.store.project import Project
from influence_core.store.runs import Run, RunWriter
from influence_core.training.features import moments
from influence_core.training.networks.encoder import WEIGHTS
from influence_core.training.networks.fit import check_labels
from influence_core.training.networks.kept import KEPT, keep
from influence_core.training.networks.own_loop import EPOCHS
from influence_core.training.networks.rows import NetworkRows, split_rows
from influence_core.training.networks.run import NetworkRun, first_inputs, read_network
from influence_core.training.networks.sides import last_layer
from influence_core.turnover.calls import Inputs
from influence_core.turnover.layer import turnover_layers
from influence_core.workflow.train.audit import write_audit
from influence_core.workflow.train.finding import sides_finding
from influence_core.workflow.train.runs.tables import predictions, row_table, split_metrics

_LOG = logging.getLogger(__name__)


def publish(
    project: Project,
    model: nn.Module,
    prepare: Callable[[Sequence[Any]], Inputs],
    *,
    note: str = "",
    epochs: float | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Run:
    """Show a network of your own in the dashboard: one call after your training script.

    Args:
        project: whose training rows the model was trained on, under these rows' keys.
        model: with turn-over layers, trained.
        prepare: sentences, or encoded images as bytes, to what the model takes; rows first.
        note: shown beside the run.
        epochs: how long it was trained, shown beside the run; a Trainer with `KeyCallback` tells.

    A Hugging Face classifier whose masks `inject` placed, and whose `prepare` is a tokenizer or an
    image processor of transformers and nothing else, is kept whole: sentences and pictures of the
    user's own can be explained, and the turn-over scan runs. Any other network is read once.

    Raises:
        ModelError: no turn-over layers, one that was not called, no last Linear layer, or another
            number of classes. DataError: rows without a label. StoreError: it cannot be written.
    """
    run = read_own(project, model, prepare, progress=progress, cancel=cancel)
    return store_own(project, model, prepare, run, note=note, epochs=epochs)


def read_own(
    project: Project,
    model: nn.Module,
    prepare: Callable[[Sequence[Any]], Inputs],
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> NetworkRun:
    """What `publish` reads of a network, and the isolation audit; nothing is stored.

    Raises:
        ModelError, DataError: as for `publish`.
    """
    rows = {name: split_rows(split, prepare) for name, split in project.dataset.splits.items()}
    _check_classes(project, model, rows["train"])
    return read_network(model, rows, progress=progress, cancel=cancel)


def store_own(
    project: Project,
    model: nn.Module,
    prepare: Callable[[Sequence[Any]], Inputs],
    run: NetworkRun,
    *,
    note: str = "",
    epochs: float | None = None,
) -> Run:
    """Store what `read_own` has read, and the network itself where it can be built again."""
    told = model.__dict__.get(EPOCHS, 0.0) if epochs is None else epochs
    run = replace(run, fit=replace(run.fit, epochs=told))
    layers = [layer.spec() for layer in turnover_layers(model).values()]
    config: dict[str, Any] = {"network": None, "model": type(model).__name__, "layers": layers}
    with TemporaryDirectory() as folder:
        kept = keep(model, prepare, _samples(project), Path(folder))
        if isinstance(kept, str):
            stored = store_network(project, run, {**config, "not_kept": kept}, note=note)
        else:
            whole = replace(run, fit=replace(run.fit, state=model.state_dict()))
            config["kept"] = asdict(kept)
            stored = store_network(project, whole, config, note=note, kept=Path(folder))
    if stored.record.finding:
        _LOG.warning(stored.record.finding)
    return stored


def _check_classes(project: Project, model: nn.Module, train: NetworkRows) -> None:
    check_labels(train)
    found = len(last_layer(model, first_inputs(model, train))[1])
    if found != len(project.dataset.classes):
        raise ModelError(
            f"{type(model).__name__} tells {found} classes apart, but project '{project.name}' has "
            f"{len(project.dataset.classes)}: {', '.join(project.dataset.classes[:8])}; train it "
            "on the project's labels."
        )


def _samples(project: Project) -> list[Any]:
    """The first few rows, and the longest: enough to tell two ways of preparing them apart."""
    split = project.dataset.train
    order = list(range(len(split)))
    if project.dataset.modality == "text":
        texts = split.texts()
        order = sorted(order, key=lambda i: -len(texts[i]))
    return list(split.items([*range(min(4, len(split))), *order[:4]]))


def store_network(
    project: Project,
    run: NetworkRun,
    config: Mapping[str, Any],
    *,
    seed: int = 0,
    note: str = "",
    kept: Path | None = None,
) -> Run:
    """Write a network run with all that pages read; returns it.

    Args:
        project: whose data it was trained on.
        run: from `run_network` or `read_network`, with a view of every split.
        config: every setting, plain values; `network` are those of `NetworkSettings`, or None for
            a model from a script of its author's.
        kept: a folder of files to keep with the run.

    Raises:
        StoreError: the disk is full or the folder cannot be written; nothing of the run is kept.
    """
    fingerprint = of_tensors(config["network"] or config, run.fit.state)
    writer = project.new_run("network", config, seed, fingerprint, note)
    with writer, _features(project, run, fingerprint):
        for stats in run.fit.history:
            metrics = {name: v for name, v in asdict(stats).items() if not math.isnan(v)}
            writer.progress(Progress("train", stats.epoch, len(run.fit.history), metrics=metrics))
        _write(writer, project, run)
        if kept is not None:
            shutil.copytree(kept, writer.subfolder(KEPT), dirs_exist_ok=True)
    return writer.run


def _write(writer: RunWriter, project: Project, run: NetworkRun) -> None:
    train = project.dataset.train
    mean, scale = moments(run.views["train"].features)
    writer.write_tensors(
        {
            "flipped": torch.from_numpy(run.sides.flipped).half(),
            "mean": mean,
            "scale": scale,
            "last": run.last[0],
            "bias": run.last[1],
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
    finding = sides_finding(np.asarray(train.labels), sides.learned, sides.flipped)
    writer.set(metrics=metrics, finding=finding)


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
