"""The verb `new`: read data of the user's own, check it, make a project of it."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path

from influence_core.data.checks import Finding, check_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers import read_source
from influence_core.errors import DataError
from influence_core.progress import ProgressFn
from influence_core.store.project import Project

# Frozen trunks that work without a choice; the image one needs its weights once from the network.
DEFAULT_TRUNKS = {"text": "minilm", "image": "torchvision:mobilenet_v2"}


@dataclass(frozen=True)
class NewProject:
    """What a user says about data of their own; None means: find out."""

    source: str
    valid: str | None = None
    test: str | None = None
    name: str | None = None
    label: str | None = None
    content: str | None = None
    id_column: str | None = None
    trunk: str | None = None
    drop_bad: bool = False
    kind: str | None = None
    valid_share: float = 0.15
    test_share: float = 0.15


def create(
    wish: NewProject,
    home: Path,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Project, list[Finding]]:
    """Make a project in `home`; returns it with what is worth knowing about its data.

    Raises:
        DataError: the data cannot be used; the sentence names the row or column.
        StoreError: a project of this name exists, or the folder cannot be written.
    """
    options = ReadOptions(
        label_column=wish.label,
        content_column=wish.content,
        id_column=wish.id_column,
        kind=wish.kind,
        valid_share=wish.valid_share,
        test_share=wish.test_share,
        bad_rows="drop" if wish.drop_bad else "refuse",
    )
    parts = {"train": wish.source, "valid": wish.valid, "test": wish.test}
    given = {split: path for split, path in parts.items() if path is not None}
    source: str | dict[str, str] = wish.source if len(given) == 1 else given
    dataset = read_source(source, options, progress=progress, cancel=cancel)
    name = wish.name or Path(wish.source).stem
    trunk = wish.trunk or DEFAULT_TRUNKS[dataset.modality]
    judge = "valid" if "valid" in dataset.splits else "train"
    project = Project.create(home / folder_name(name), name, dataset, trunk, judge=judge)
    return project, list(check_dataset(dataset))


def folder_name(name: str) -> str:
    """A project's name as a folder name: letters, digits, '-' and '_' of any script, at most 60.

    Raises:
        DataError: nothing is left of the name.
    """
    cleaned = re.sub(r"[^\w-]+", "-", name.strip()).strip("-_")[:60]
    if not cleaned:
        raise DataError(f"The project name '{name}' has no letter or digit; choose another name.")
    return cleaned.lower()
