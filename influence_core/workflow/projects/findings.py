"""What is worth knowing about data before it is trained on, for the wizard and the verb `new`."""

import threading

from influence_core.data.checks.check import check_dataset
from influence_core.data.checks.contents import COMPARED as COMPARED  # noqa: PLC0414  (pages)
from influence_core.data.checks.finding import SEVERITIES, Finding, number_of
from influence_core.data.dataset import Dataset
from influence_core.models.tokens import longer_texts
from influence_core.progress import ProgressFn

# Frozen encoders that work without a choice; the image one needs its weights once from the network.
DEFAULT_ENCODERS = {"text": "minilm", "image": "torchvision:mobilenet_v2"}


def findings_of(
    dataset: Dataset,
    encoder: str | None = None,
    *,
    images: bool = True,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> list[Finding]:
    """What `check_dataset` finds, and what the encoder will not read at once; worst first."""
    found = check_dataset(dataset, images=images, progress=progress, cancel=cancel)
    if dataset.modality == "text":
        found += _long_texts(dataset, encoder or DEFAULT_ENCODERS["text"])
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _long_texts(dataset: Dataset, encoder: str) -> list[Finding]:
    out = []
    for split in dataset:
        longer = longer_texts(encoder, split.texts())
        if longer is None or not longer[0].size:
            continue
        rows, most = longer
        verb = "is" if rows.size == 1 else "are"
        what = (
            f"{number_of(rows.size)} of {split.name} {verb} longer than the encoder reads at once"
        )
        advice = (
            "They are read in windows that overlap, and their features averaged: nothing is cut "
            "off, but encoding takes longer."
        )
        out.append(Finding("note", f"{what} ({most} tokens).", split.name, rows, advice))
    return out
