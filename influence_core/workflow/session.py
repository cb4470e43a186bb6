"""A run opened for questions: weights, features and labels in memory, estimators prepared once.

Pages keep one `Session` per run (it is read-only and may be shared by browser sessions), the
command line opens one per call. Everything that explains, triages or evaluates starts from here.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.disk.records import build
from influence_core.errors import MismatchError, ModelError, StoreError
from influence_core.influence import DEFAULT_ESTIMATOR, ESTIMATORS
from influence_core.influence import estimator as find_estimator
from influence_core.influence.base import (
    NO_SETTINGS,
    Evidence,
    HeadWeights,
    Prepared,
    Settings,
    Targets,
)
from influence_core.influence.estimators.blend import COMBINED, blend_parts
from influence_core.models.device import pick_device
from influence_core.models.encoders import Encoder, is_own, load_encoder
from influence_core.store.evaluations import read_evaluation
from influence_core.store.project import Project
from influence_core.store.runs import LINEAR, RECORD, Run
from influence_core.training.features import Standardised
from influence_core.training.heads.types import HeadTraining
from influence_core.training.networks.encoder import NetworkEncoder
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys
from influence_core.workflow.session_network import (
    LastLayer,
    Leaning,
    check_own,
    last_layer_of,
    network_encoder,
    unavailable,
)

OWN_PROBA = "proba/"  # before the split, in the tensors of a run of a user's own model


@dataclass(frozen=True, eq=False)
class Session:
    """One run of one project, ready to answer."""

    project: Project
    run: Run
    evidence: Evidence
    head: HeadWeights | LastLayer  # what turns standardised features into probabilities
    device: torch.device
    own: Mapping[str, Tensor] = field(default_factory=dict)  # (n, C) by split, of a user's model
    leaning: Leaning | None = None  # of such a one
    _prepared: dict[str, tuple[Settings, Prepared]] = field(default_factory=dict)
    _splits: dict[str, Standardised] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _preparing: threading.Lock = field(default_factory=threading.Lock)  # lists do not wait for it
    _networks: list[NetworkEncoder] = field(default_factory=list)  # one, once somebody asked

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.project.dataset.classes

    @property
    def features(self) -> Standardised:
        """Standardised features of the training rows."""
        return self.split_features("train")

    @property
    def placed(self) -> str:
        """Where the features that a scan reads lie, in words; "" if in the computer's memory."""
        size = 4 * len(self.features) * len(self.features.mean) / 1e6
        if self.features.resident is None:
            return f"{size:,.1f} MB of features are read from disk, chunk by chunk"
        if self.device.type == "cpu":
            return ""
        return f"{size:,.1f} MB of features lie in its memory"

    @property
    def own_features(self) -> bool:
        """Whether the user made the features, so that nothing new can be encoded."""
        record = self.run.record
        linear = bool(record.config.get(LINEAR))
        return (record.kind == "head" or linear) and is_own(record.encoder)

    @property
    def training(self) -> HeadTraining:
        """How the run was trained, with the number of epochs that it kept."""
        return _training(self.run)

    def estimator(self, *, many: bool = False, quick: bool = False) -> str:
        """What answers where nobody chooses: the project's default if this run can serve it.

        A default belongs to the project, an ability to the run: a whole network has no head. In
        its place stands the best measured one that this run can serve.

        Args:
            many: for many targets at once, such as training rows or a whole split.
            quick: without a pass through the training.
        """
        missing = self.unavailable(many=many)
        if quick:
            missing |= {name: "" for name in ESTIMATORS if self.takes_a_pass(name)}
        default = self.project.settings.default_estimator or DEFAULT_ESTIMATOR
        if default in ESTIMATORS and default not in missing:
            return default
        order = [*_measured_best(self.project), *ESTIMATORS]
        return next(name for name in order if name in ESTIMATORS and name not in missing)

    def unavailable(self, *, many: bool = False) -> dict[str, str]:
        """Estimators that cannot answer for this run, with the reasons; `many` as above."""
        return unavailable(self.run, blend_parts(self.settings_of(COMBINED.name)), many=many)

    def takes_a_pass(self, name: str) -> bool:
        """Whether this estimator goes through the training for an answer, which takes a while."""
        own = blend_parts(self.settings_of(name)) if name == COMBINED.name else [name]
        return any(ESTIMATORS[part].by_pass for part in own if part in ESTIMATORS)

    def prepared(self, name: str) -> Prepared:
        """The estimator's per-run work, done once, with the settings an evaluation has chosen.

        An evaluation may end while the session is open: other settings are prepared again.

        Raises:
            ModelError: there is no such estimator, or this run cannot serve it.
        """
        missing = self.unavailable(many=True)
        if name in missing:
            able = ", ".join(n for n in ESTIMATORS if n not in missing)
            raise ModelError(
                f"'{name}' cannot answer for this run. {missing[name]} Choose one of {able}."
            )
        own = self.settings_of(name)
        with self._preparing:
            known = self._prepared.get(name)
            if known is None or known[0] != own:
                known = (own, find_estimator(name).prepare(self.evidence, own))
                self._prepared[name] = known
            return known[1]

    def settings_of(self, name: str) -> Settings:
        """What the newest evaluation has chosen for an estimator."""
        measured = read_evaluation(self.project.root)
        return NO_SETTINGS if measured is None else measured.settings.get(name, NO_SETTINGS)

    def split_features(self, split: str) -> Standardised:
        """Features of a split in the run's own standardisation."""
        with self._lock:
            if split not in self._splits:
                reference = self.evidence.features
                if not isinstance(reference, Standardised):
                    raise ModelError("This run has no stored features; train it again.")
                raw = self.project.features(split, self.run.record.encoder_fingerprint)
                self._splits[split] = Standardised.using(
                    raw, reference.mean, reference.scale, self.device
                )
            return self._splits[split]

    def targets(
        self, x: Tensor, labels: Tensor, proba: npt.NDArray[np.float32] | None = None
    ) -> Targets:
        """Targets from standardised features (T, d) and the labels asked about (T,).

        `proba` (T, C), or (C,) of one, is what the user's own model says of them, if the run is of
        such a one.
        """
        if proba is None or not self.own:
            return Targets(x, labels.to(x.device), self.head.proba(x))
        theirs = torch.from_numpy(np.atleast_2d(proba)).to(x.device)
        told = theirs if self.leaning is None else self.leaning.targets(theirs, x)
        return Targets(x, labels.to(x.device), told)

    def proba(self, x: Tensor, split: str, positions: npt.NDArray[np.int64]) -> Tensor:
        """(T, C) of rows of a split, and of their features (T, d)."""
        known = self.own.get(split)
        if known is None:
            return self.head.proba(x)
        return known[torch.from_numpy(positions)].to(x.device)

    def encoder(self) -> Encoder:
        """The encoder, for sentences and images that are not in the data set.

        Raises:
            ModelError: a whole network that only its author can build, or weights out of reach.
            MismatchError: the weights are no longer those that the run's features came from.
        """
        record = self.run.record
        if record.kind == "network":
            return self.network()
        found = load_encoder(
            record.encoder,
            root=self.project.root,
            device=self.device,
            fingerprint=record.encoder_fingerprint,
        )
        if found.fingerprint != record.encoder_fingerprint:
            raise MismatchError(
                f"The weights of encoder '{record.encoder}' have changed since run '{record.id}' "
                "was trained on its features; put the old ones back, or train again."
            )
        return found

    def network(self) -> NetworkEncoder:
        """The whole network of a network run, built once."""
        with self._lock:
            if not self._networks:
                self._networks.append(network_encoder(self.run, self.project.root, self.device))
            return self._networks[0]


def open_session(project: Project, run_id: str | None = None, device: str = "auto") -> Session:
    """Open a run, the newest one unless told otherwise.

    Raises:
        StoreError: there is no run yet, or a file of it is damaged.
        MismatchError: the run was trained on other data or another shape of model.
    """
    run = project.latest_run() if run_id is None else project.run(run_id)
    if run is None:
        raise StoreError(
            f"Project '{project.name}' has no trained run of this data yet; "
            f"train one with: turnover train {project.root}"
        )
    where = pick_device(device)
    tensors = run.tensors()
    rows, classes = len(project.dataset.train), len(project.dataset.classes)
    reader: HeadWeights | LastLayer
    if run.record.kind == "network":
        reader = last_layer_of(run, tensors, rows, classes, where)
    else:
        reader = _head(run, tensors, rows, where)
    features = Standardised.using(
        project.features("train", run.record.encoder_fingerprint),
        tensors["mean"].float(),
        tensors["scale"].float(),
        where,
    )
    split = project.dataset.train
    leaning = Leaning.of(run, tensors, reader if isinstance(reader, LastLayer) else None)
    evidence = Evidence(
        features,
        torch.from_numpy(np.array(split.labels)).to(where),
        as_keys(split.keys).to(where),
        tensors["flipped"].float().to(where),
        reader if isinstance(reader, HeadWeights) else None,
        _training(run) if isinstance(reader, HeadWeights) else None,
        leaning=None if leaning is None else leaning.rows,
    )
    own = {n.removeprefix(OWN_PROBA): t for n, t in tensors.items() if n.startswith(OWN_PROBA)}
    check_own(run, own, project.header)
    return Session(project, run, evidence, reader, where, own, leaning, _splits={"train": features})


def _measured_best(project: Project) -> list[str]:
    """Estimators by their LDS in the project's evaluation, best first; [] if none is there."""
    try:
        measured = read_evaluation(project.root)
        table = None if measured is None else project.run(measured.run).table("eval-estimators")
    except (StoreError, MismatchError):  # of a run that is gone, or of other data
        return []
    if table is None:
        return []
    best = table[["lds_misclassified", "lds_random"]].mean(axis=1).sort_values(ascending=False)
    return table["estimator"][best.index].tolist()


def _head(run: Run, tensors: Mapping[str, Tensor], rows: int, device: torch.device) -> HeadWeights:
    config = _head_config(run)
    _check_shapes(run, tensors, config, rows)
    W1, b1, W2 = (tensors[name].float().to(device) for name in ("W1", "b1", "W2"))
    return HeadWeights(W1, b1, W2, config)


def _training(run: Run) -> HeadTraining:
    record = run.record
    saved = build(HeadTraining, record.config.get("training"), _part(run, "training"))
    epochs = record.metrics.get("epochs", 0.0)
    if not 1 <= epochs < 2**31:
        raise StoreError(f"{_part(run, 'epochs')} is damaged; train again.")
    return replace(saved, epochs=int(epochs))


def _head_config(run: Run) -> HeadConfig:
    return build(HeadConfig, run.record.config.get("head"), _part(run, "head"))


def _part(run: Run, name: str) -> str:
    """A part of the record, for messages."""
    return f"'{name}' in {run.folder / RECORD}"


def _check_shapes(run: Run, tensors: Mapping[str, Tensor], config: HeadConfig, rows: int) -> None:
    """Refuse weights that are not the ones run.json speaks of."""
    E, d, H, C = config.members, config.features, config.width, config.classes
    wanted = {
        "W1": (E, d, H),
        "b1": (E, H),
        "W2": (E, H, C),
        "mean": (d,),
        "scale": (d,),
        "flipped": (rows, C),
    }
    for name, shape in wanted.items():
        if name not in tensors or tuple(tensors[name].shape) != shape:
            found = tuple(tensors[name].shape) if name in tensors else "missing"
            raise MismatchError(
                f"Run '{run.id}' does not fit: tensor '{name}' is {found}, expected {shape}; "
                "it belongs to other data or was cut short, so train again."
            )
