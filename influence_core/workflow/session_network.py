"""What a session needs of a whole network: its last layer always, the network itself if it can.

All estimators that read features work on what the last layer is given. Two things need more: an
item of the user's own must go through the network, and the turn-over estimator must run the
network under every row's masks (`influence.network_scan`). The network is built again from the
run's settings, or from what `train.publish` has kept of somebody's own; where that could not keep
it, exactly these two say so.

Called by `session` and `explain`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from influence_core.disk.records import build
from influence_core.errors import MismatchError, ModelError
from influence_core.influence import ESTIMATORS
from influence_core.influence.estimators.blend import COMBINED
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.network_scan import NetworkQuery
from influence_core.store.runs import LINEAR, RECORD, Run
from influence_core.store.tables import DatasetHeader
from influence_core.training.networks.encoder import WEIGHTS, NetworkEncoder
from influence_core.training.networks.kept import KEPT, KeptSettings, build_kept
from influence_core.training.networks.registry import NetworkSettings, load_network
from influence_core.turnover.calls import to_device

LEANING = "leaning/"  # before "rows", "weight", "bias": `train.own_linear`, in an own model's run
SHARE = 0.5  # of that linear model in the average with a user's probabilities
FOREIGN = "This network was trained by a script of its author's, so it cannot be built again here"
ONE_BY_ONE = "Its scan of a whole network answers for one item at a time."
HEAD_ONLY = "It reads the weights of a turn-over head, and this run trained a whole network."
NOT_LINEAR = "It reads the weights of a turn-over head, and this run is a linear model."


@dataclass(frozen=True)
class LastLayer:
    """The network's prediction from standardised features: it is linear in the raw ones."""

    weight: Tensor  # (C, d)
    mean: Tensor  # (d,)
    scale: Tensor  # (d,)
    bias: Tensor  # (C,)

    def proba(self, x: Tensor) -> Tensor:
        """(B, d) standardised to class probabilities (B, C)."""
        return ((x / self.scale + self.mean) @ self.weight.T + self.bias).softmax(-1)


def last_layer_of(
    run: Run, tensors: Mapping[str, Tensor], rows: int, classes: int, device: torch.device
) -> LastLayer:
    """The last layer of a network run, its shape checked.

    Raises:
        MismatchError: a tensor is missing or has another shape than run and project speak of.
    """
    d = len(tensors["mean"]) if "mean" in tensors else 0
    wanted = {"mean": (d,), "scale": (d,), "last": (classes, d), "flipped": (rows, classes)}
    for name, shape in wanted.items():
        if name not in tensors or tuple(tensors[name].shape) != shape:
            found = tuple(tensors[name].shape) if name in tensors else "missing"
            raise MismatchError(
                f"Run '{run.id}' does not fit: tensor '{name}' is {found}, expected {shape}; "
                "it belongs to other data or was cut short, so train again."
            )
    bias = tensors.get("bias", torch.zeros(classes))  # runs of before had none
    parts = (tensors["last"], tensors["mean"], tensors["scale"], bias)
    return LastLayer(*(part.float().to(device) for part in parts))


@dataclass(frozen=True)
class Leaning:
    """What residuals of a user's model are read from: averages with a linear model.

    Attributes:
        rows: (N, C) of the training rows.
        linear: the model that is averaged with.
    """

    rows: Tensor
    linear: LastLayer

    @classmethod
    def of(
        cls, run: Run, tensors: Mapping[str, Tensor], reader: LastLayer | None
    ) -> "Leaning | None":
        """That of a run; None of one that has none, as those of before.

        Args:
            reader: the run's own last layer, of the same features and classes.

        Raises:
            MismatchError: a tensor has another shape.
        """
        found = {name: tensors.get(LEANING + name) for name in ("rows", "weight", "bias")}
        rows, weight, bias = found.values()
        if reader is None or rows is None or weight is None or bias is None:
            return None
        wanted = (tensors["flipped"].shape, reader.weight.shape, reader.bias.shape)
        if tuple(tensor.shape for tensor in (rows, weight, bias)) != wanted:
            raise MismatchError(
                f"Run '{run.id}' does not fit: its linear model is that of other rows or classes; "
                "publish it again."
            )
        where = reader.weight.device
        linear = replace(reader, weight=weight.float().to(where), bias=bias.float().to(where))
        return cls(rows.float().to(where), linear)

    def targets(self, theirs: Tensor, x: Tensor) -> Tensor:
        """The average (T, C) for a user's probabilities (T, C) of standardised features (T, d)."""
        return averaged(theirs, self.linear.proba(x))


def check_own(run: Run, own: Mapping[str, Tensor], header: DatasetHeader) -> None:
    """Make sure that a user's probabilities are those of the project's rows.

    Raises:
        MismatchError: they are not.
    """
    for name, proba in own.items():
        if tuple(proba.shape) != (header.splits.get(name), len(header.classes)):
            raise MismatchError(
                f"Run '{run.id}' does not fit: its probabilities of '{name}' are those of other "
                "rows; publish them again."
            )


def averaged(theirs: Tensor, linear: Tensor) -> Tensor:
    """A user's probabilities (n, C) with those of the linear model."""
    return torch.lerp(theirs, linear, SHARE)


def network_encoder(run: Run, root: Path, device: torch.device) -> NetworkEncoder:
    """The run's network with its weights, on a device.

    Raises:
        ModelError: only its author can build it, or its encoder's weights are out of reach.
        StoreError: the settings are damaged.
    """
    config = run.record.config
    if missing := not_kept(run):
        raise ModelError(
            f"{missing} So it cannot read a sentence or image of your own; explain an item of the "
            "project, or put yours into a split and publish again. What can be built again is a "
            "transformers classifier with masks from `inject`, published with its tokenizer or "
            "image processor as `prepare`."
        )
    place = f"in {run.folder / RECORD}"
    tensors = run.tensors()
    state = {n[len(WEIGHTS) :]: t for n, t in tensors.items() if n.startswith(WEIGHTS)}
    exact = {n: t.float() if t.is_floating_point() else t for n, t in state.items()}
    if config.get("network") is None:
        how = build(KeptSettings, config["kept"], f"'kept' {place}")
        kept = build_kept(how, run.folder / KEPT, exact)
        kept.model.to(device)
        name, fingerprint = f"network:{run.id}", run.record.encoder_fingerprint
        return NetworkEncoder(kept, name, fingerprint, len(tensors["mean"]))
    settings = build(NetworkSettings, config["network"], f"'network' {place}")
    network = load_network(settings, exact, root=root)
    network.model.to(device)
    return NetworkEncoder.of(network, state)


def not_kept(run: Run) -> str:
    """Why the network of this run cannot be built again, in a sentence; "" if it can be."""
    config = run.record.config
    if config.get(LINEAR):
        return "A linear model has no masks; train a head, which has."
    if config.get("network") is not None or config.get("kept") is not None:
        return ""
    return f"{FOREIGN}: {config.get('not_kept', 'an older version published it')}."


def network_query(
    encoder: NetworkEncoder, content: str | bytes, labels: Tensor, keys: Tensor
) -> NetworkQuery:
    """One item ready to be met by the masks of all rows.

    Args:
        content: a sentence, or an encoded image. labels: (1,) the class whose loss is asked about.
        keys: (N,) of the training rows.
    """
    inputs = to_device(encoder.network.prepare([content]), encoder.device)
    return NetworkQuery(encoder.network.model, inputs, labels, keys)


def unavailable(run: Run, blend: Iterable[str] = (), *, many: bool = False) -> dict[str, str]:
    """Estimators that this run cannot serve, each with the reason in a sentence.

    Args:
        blend: the parts of the project's blend.
        many: for many targets at once, of which only the features are at hand.
    """
    if run.record.kind != "network":
        return {}
    why = NOT_LINEAR if run.record.config.get(LINEAR) else HEAD_ONLY
    missing = {name: why for name, entry in ESTIMATORS.items() if entry.needs_head}
    if parts := [ESTIMATORS[name].title for name in blend if name in missing]:
        missing[COMBINED.name] = f"Its parts here read a turn-over head: {', '.join(parts)}."
    if reason := not_kept(run):
        missing[TURNOVER.name] = reason
    elif many:
        missing[TURNOVER.name] = ONE_BY_ONE
    else:
        missing.pop(TURNOVER.name)
    return missing
