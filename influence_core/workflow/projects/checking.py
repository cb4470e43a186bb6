"""`turnover check`: all that is wrong with a data set, without making a project of it.

What the wizard and `turnover new` find, and, where rows have features, an encoder or probabilities,
labels that are probably wrong, outliers and a telling order. Without probabilities of the user's
own, those of the flipped side of a lean head are taken, as in a run. Everything that is written
lies in a folder that is gone afterwards.
"""

import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.data.checks.finding import NO_ROWS, Finding, number_of
from influence_core.data.checks.quality import NEEDED, can_measure
from influence_core.data.dataset import Dataset
from influence_core.errors import DataError
from influence_core.models.tokens import OWN
from influence_core.progress import ProgressFn
from influence_core.store.project import features_name
from influence_core.workflow.projects.account import Account, account_of
from influence_core.workflow.projects.create import NewProject, reading
from influence_core.workflow.projects.findings import COMPARED, findings_of
from influence_core.workflow.projects.preview import to_look_at
from influence_core.workflow.projects.rules import (
    RULES,
    Limit,
    Verdict,
    verdicts,
)

Features = npt.NDArray[np.floating]
ADVICE = {
    "wrong-labels": "Make a project (turnover new) and look at them on the Labels page.",
    "outliers": "Look at them: rows of another kind, damaged ones, or rare ones worth keeping.",
    "order": "Rows that stand near each other are alike, as if sorted: shuffle before cutting "
    "splits by place, and ask where the order comes from.",
    "imbalance": "Collect more rows of it, and look at each class, not only at accuracy.",
}


@dataclass(frozen=True)
class Proba:
    """Files of class probabilities by split, and whether they are known to be out-of-sample."""

    places: Mapping[str, str]
    out_of_sample: bool = False


@dataclass(frozen=True)
class Checked:
    """What was read, a verdict for each rule, and in words what copies were compared by."""

    account: Account
    verdicts: tuple[Verdict, ...]
    compared: str

    @property
    def broken(self) -> tuple[Verdict, ...]:
        """Rules that were asked for, and do not hold."""
        return tuple(v for v in self.verdicts if v.broken)

    @property
    def undecided(self) -> tuple[Verdict, ...]:
        """Rules that were asked for, and could not be checked."""
        return tuple(v for v in self.verdicts if v.unknown and v.limit is not None)


def check_data(
    request: NewProject,
    limits: Mapping[str, Limit],
    proba: Proba | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    announce: Callable[[str], None] = lambda sentence: None,
) -> Checked:
    """Read the data and look for everything.

    Args:
        request: what is checked; its encoder, if one is named, makes features.
        limits: rules that must hold.
        proba: of the user's model.
        progress, cancel, announce: as everywhere.

    Raises:
        DataError: the data cannot be read, or a rule needs more than was given.
        ModelError: the encoder is not there, or does not read such data.
        CancelledError: `cancel` was set.
    """
    own = request.has_features
    _refuse_unknown(limits, own or request.encoder is not None, proba is not None)
    looked = replace(request, options=to_look_at(request.options))
    with tempfile.TemporaryDirectory(prefix="turnover-check-") as folder:
        home = Path(folder)
        watch: dict[str, Any] = {"progress": progress, "cancel": cancel}
        with reading(looked, home, announce=announce, **watch) as dataset:
            found = findings_of(dataset, OWN if own else request.encoder, **watch)
            features = _features(dataset, looked, home, watch)
            more, unknown = _of_rows(dataset, features, proba, home, watch)
            account = account_of(dataset.source, {split.name: len(split) for split in dataset})
            if dataset.modality == "image" and not can_measure():
                unknown["odd-pictures"] = f"it needs {NEEDED}"
            judged = verdicts(dataset, account, [*found, *more], limits, unknown)
            return Checked(account, judged, COMPARED[dataset.modality])


def _refuse_unknown(limits: Mapping[str, Limit], features: bool, proba: bool) -> None:
    for name in limits:
        needs = RULES[name].needs
        if needs and not features and not (proba and "probabilities" in needs):
            raise DataError(
                f"The rule {name!r} needs {needs}; name them (--features, --encoder, --proba), or "
                "leave the rule out."
            )


def _features(
    dataset: Dataset, request: NewProject, home: Path, watch: Mapping[str, Any]
) -> Features | None:
    """(N, d) of the training rows: the user's, or those of the encoder; None if there are none."""
    if request.has_features:
        return _own(dataset, request, home, watch)
    if request.encoder is None:
        return None
    from influence_core.models.device import pick_device
    from influence_core.models.encode import encode_split
    from influence_core.models.encoders import for_texts, load_encoder
    from influence_core.workflow.projects.encoders import chosen_encoder

    spec, furnish = chosen_encoder(request.encoder, dataset.modality, home)
    furnish(home)
    encoder = load_encoder(spec, root=home, device=pick_device("auto"))
    if dataset.modality == "text":
        encoder = for_texts(encoder, [dataset.train.texts()])
    return encode_split(
        encoder, dataset.train, home / "train.npy",
        dataset_fingerprint=dataset.fingerprint, **watch,
    )  # fmt: skip


def _own(
    dataset: Dataset, request: NewProject, home: Path, watch: Mapping[str, Any]
) -> Features | None:
    from influence_core.disk.arrays import map_array
    from influence_core.workflow.projects.own_features import own_features

    with own_features(dataset, request.options, home, **watch) as own:
        project = home / "own"
        project.mkdir()
        own.furnish(project)
        place = features_name(own.fingerprint, own.dataset.fingerprint)
        return map_array(project / place / "train.npy")


def _of_rows(
    dataset: Dataset,
    features: Features | None,
    proba: Proba | None,
    home: Path,
    watch: Mapping[str, Any],
) -> tuple[list[Finding], dict[str, str]]:
    """Findings about single rows, and the rules that could not be checked, with the reason."""
    from influence_core.labels.datalab import oddities

    labels = dataset.train.labels
    unknown = {name: f"it needs {rule.needs}" for name, rule in RULES.items() if rule.needs}
    present, counts = np.unique(labels[labels >= 0], return_counts=True)
    if len(present) < 2:
        return [], dict.fromkeys([*unknown, "imbalance"], "the training rows have one class only")
    odd = oddities(labels, features)
    found = []
    if odd.rarest.size:
        name, rows = dataset.classes[present[counts.argmin()]], number_of(int(counts.min()))
        told = f"Class {name!r} has {rows} of {len(labels):,}, less than a tenth of an even share."
        found.append(_finding("imbalance", told, odd.rarest))
    if odd.outliers is not None:
        del unknown["outliers"], unknown["order"]
        if odd.outliers.size:
            told = (
                f"{number_of(odd.outliers.size)} of train stand apart from all others (cleanlab)."
            )
            found.append(_finding("outliers", told, odd.outliers))
        if odd.ordered:
            told = "The training rows stand in an order that chance hardly makes (cleanlab)."
            found.append(_finding("order", told, NO_ROWS))
    elif features is not None:
        unknown |= dict.fromkeys(["outliers", "order"], "there are too few rows with a label")
    flipped = _probabilities(dataset, features, proba, home, watch)
    if flipped is not None:
        wrong, why = _wrong_labels(dataset, flipped)
        found += wrong
        unknown["wrong-labels"] = why
    return found, {name: why for name, why in unknown.items() if why}


def _finding(rule: str, told: str, rows: npt.NDArray[np.int64]) -> Finding:
    return Finding(rule, "warning", told, "train", rows, ADVICE[rule])


def _probabilities(
    dataset: Dataset,
    features: Features | None,
    proba: Proba | None,
    home: Path,
    watch: Mapping[str, Any],
) -> Features | None:
    """(N, C) out-of-sample: the user's, or of the flipped side of a lean head on the features."""
    if proba is not None:
        from influence_core.models.own.proba import read_proba

        place = home / "proba"
        place.mkdir()
        given, _ = read_proba(dataset, proba.places, place, known_out_of_sample=proba.out_of_sample)
        if "train" not in given:
            raise DataError("Labels of training rows need their probabilities (--proba train=…).")
        return given["train"]
    return None if features is None else _flipped(dataset, features, watch)


def _flipped(dataset: Dataset, features: Features, watch: Mapping[str, Any]) -> Features:
    """Of the labelled training rows; the others have an even share for each class."""
    import torch

    from influence_core.influence.base import HeadWeights
    from influence_core.influence.sides import both_sides
    from influence_core.training.features import Standardised
    from influence_core.training.heads.fit import fit_heads
    from influence_core.training.heads.presets import PRESETS
    from influence_core.training.heads.types import Rows
    from influence_core.turnover.head import HeadConfig
    from influence_core.turnover.masks import as_keys

    train, size = dataset.train, PRESETS["lean"]
    known = np.flatnonzero(train.labels >= 0)
    x = Standardised.fit(np.asarray(features[known], np.float32))
    rows = Rows(x, torch.from_numpy(train.labels[known]), as_keys(train.keys[known]))
    config = HeadConfig(features.shape[1], len(dataset.classes), size.members, size.width)
    fit = fit_heads(rows, config, size.training(len(known)), **watch)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    sides = both_sides(x, rows.labels, rows.keys, head, **watch)
    out = np.full((len(train), len(dataset.classes)), 1 / len(dataset.classes), np.float32)
    out[known] = sides.flipped
    return out


def _wrong_labels(dataset: Dataset, flipped: Features) -> tuple[list[Finding], str]:
    """The rows that a run would flag, as a finding; or why nothing can be said."""
    from influence_core.labels.scores import cleanlab_columns
    from influence_core.labels.skill import skill_of
    from influence_core.workflow.review.scores import believed

    given = np.array(dataset.train.labels)
    table = pd.DataFrame(
        {
            "given": given,
            "suggested": flipped.argmax(1),
            "p_given": np.where(given >= 0, flipped[np.arange(len(given)), given], np.nan),
            "p_suggested": flipped.max(1),
        }
    )
    skill = skill_of(table)
    if not skill.learned:
        return [], skill.about_the_model("so nothing can be said about labels")
    rows = np.flatnonzero(believed(table)["flagged"])
    if not rows.size:
        return [], ""
    cleanlab = int(cleanlab_columns(given, flipped)[0].sum())
    said = (
        f"{number_of(rows.size, 'label')} of train, probably wrong; cleanlab counts {cleanlab:,}."
    )
    told = f"{said} {skill.sentences(dataset.classes)[0]}"
    return [_finding("wrong-labels", told, rows)], ""
