"""The verb `new`: read data of the user's own, check it, make a project of it."""

import re
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from influence_core.data.checks.check import check_dataset
from influence_core.data.checks.finding import Finding
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.data.rows import Watch
from influence_core.errors import DataError
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.workflow.projects.uploads import is_zip, readable

# Frozen encoders that work without a choice; the image one needs its weights once from the network.
DEFAULT_ENCODERS = {"text": "minilm", "image": "torchvision:mobilenet_v2"}


@dataclass(frozen=True)
class NewProject:
    """What a user says about data of their own; None means: find out. A ZIP of pictures is one.

    Attributes:
        source: file, folder or hub name of the training rows; `valid`, `test` of those splits.
        name: of the project.
        encoder: its spec.
        options: how all of these are read.
    """

    source: str
    valid: str | None = None
    test: str | None = None
    name: str | None = None
    encoder: str | None = None
    options: ReadOptions = field(default_factory=ReadOptions)


def create(
    request: NewProject,
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
    parts = {"train": request.source, "valid": request.valid, "test": request.test}
    given = {split: path for split, path in parts.items() if path is not None}
    options = request.options
    if options.kind == "folder" and any(map(is_zip, given.values())):
        # A ZIP is read as the pictures in it; `folder` is what a user would call that.
        options = replace(options, kind=None)
    name = request.name or Path(request.source).stem
    with ExitStack() as stack:
        watch = Watch(progress, cancel)
        read = {
            split: stack.enter_context(readable(home, path, watch)) for split, path in given.items()
        }
        source: str | dict[str, str] = read["train"] if len(read) == 1 else read
        dataset = read_source(source, options, progress=progress, cancel=cancel)
        encoder = request.encoder or DEFAULT_ENCODERS[dataset.modality]
        target = "valid" if "valid" in dataset.splits else "train"
        project = Project.create(
            home / folder_name(name), name, dataset, encoder, target_split=target
        )
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
