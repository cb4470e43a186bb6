"""What is worth knowing about data before it is trained on, for the wizard and the verb `new`."""

import threading

import numpy as np

from influence_core.data.checks.check import check_dataset
from influence_core.data.checks.contents import COMPARED as COMPARED  # noqa: PLC0414  (pages)
from influence_core.data.checks.finding import NO_ROWS, SEVERITIES, Finding, number_of
from influence_core.data.dataset import Dataset
from influence_core.models.tokens import longer_texts, unread_letters
from influence_core.progress import ProgressFn

# Frozen encoders that work without a choice; the image one needs its weights once from the network.
DEFAULT_ENCODERS = {"text": "minilm", "image": "torchvision:mobilenet_v2"}
MULTILINGUAL = "st:paraphrase-multilingual-MiniLM-L12-v2"
_SAMPLE, _CHARACTERS = 400, 500  # texts of a split whose letters are looked at, and of each of them
_UNREAD, _MANY = 0.5, 0.1  # of a text's letters, and of the texts


def findings_of(
    dataset: Dataset,
    encoder: str | None = None,
    *,
    images: bool = True,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> list[Finding]:
    """What `check_dataset` finds, and what the encoder will not read or not know; worst first.

    Args:
        encoder: by its spec; the default one if None.
    """
    found = check_dataset(dataset, images=images, progress=progress, cancel=cancel)
    if dataset.modality == "text":
        encoder = encoder or DEFAULT_ENCODERS["text"]
        found += [*_long_texts(dataset, encoder), *unread_texts(dataset, encoder)]
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
        what = f"{what} ({most} tokens)."
        out.append(Finding("long-texts", "note", what, split.name, rows, advice))
    return out


def unread_texts(dataset: Dataset, encoder: str) -> list[Finding]:
    """Splits of which many texts, by a sample, are in letters that the encoder hardly knows."""
    out: list[Finding] = []
    if dataset.modality != "text":
        return out
    for split in dataset:
        some = np.arange(len(split))
        if len(some) > _SAMPLE:
            some = np.sort(np.random.default_rng(0).choice(len(some), _SAMPLE, replace=False))
        texts = [str(text)[:_CHARACTERS] for text in split.items(some)]
        shares = unread_letters(encoder, texts)
        if shares is None:
            return []
        many = float((shares > _UNREAD).mean()) if shares.size else 0.0
        if many < _MANY:
            continue
        what = (
            f"About {many:.0%} of the texts of {split.name} are in letters that the encoder "
            f"'{encoder}' hardly knows."
        )
        advice = (
            "It reads them letter by letter or not at all, so its features say little; take one "
            f"that was made for their language: turnover new --encoder {MULTILINGUAL} (fifty "
            "languages; extra `st`)."
        )
        out.append(Finding("unread-texts", "warning", what, split.name, NO_ROWS, advice))
    return out
