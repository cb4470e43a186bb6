"""The verb `new`: read data of the user's own, check it, make a project of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from influence_core.data.dataset import Dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import guess_kind, read_source
from influence_core.data.rows import Watch
from influence_core.disk.demo import refuse_in_demo
from influence_core.disk.names import folder_name as folder_name  # noqa: PLC0414  (for pages)
from influence_core.errors import DataError
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.workflow.projects.preview import FirstLook, first_look
from influence_core.workflow.projects.uploads import is_zip, readable


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

    @property
    def has_features(self) -> bool:
        """Whether rows have features of the user's own.

        Raises:
            DataError: they do, and an encoder is named, too.
        """
        options = self.options
        given = options.features or options.valid_features or options.test_features
        if given and self.encoder:
            raise DataError(
                "Features of your own take the place of an encoder; leave --encoder out."
            )
        return bool(given)


def create(
    request: NewProject,
    home: Path,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    announce: Callable[[str], None] = lambda sentence: None,
) -> Project:
    """Make a project in `home`. What is worth knowing about its data, `findings_of` tells.

    Args:
        request: what the user says.
        home: of projects.
        progress: hears how far reading is.
        cancel: stops it.
        announce: is told in a sentence before the network is used.

    Raises:
        DataError: the data cannot be used; the sentence names the row or column.
        ModelError: the encoder that was chosen is not there, or does not read such data.
        StoreError: a project of this name exists, the folder cannot be written, or this is a demo.
    """
    refuse_in_demo("no project is made")
    name, options = request.name or Path(request.source).stem, request.options
    with ExitStack() as stack:
        dataset = stack.enter_context(
            reading(request, home, progress=progress, cancel=cancel, announce=announce)
        )
        target = "valid" if "valid" in dataset.splits else "train"
        root = home / folder_name(name)
        if request.has_features:
            from influence_core.workflow.projects.own_features import own_features

            own = stack.enter_context(
                own_features(dataset, options, home, progress=progress, cancel=cancel)
            )
            return Project.create(
                root,
                name,
                own.dataset,
                own.encoder,
                own.furnish,
                target_split=target,
                encoder_fingerprint=own.fingerprint,
            )
        from influence_core.workflow.projects.encoders import chosen_encoder

        encoder, furnish = chosen_encoder(request.encoder, dataset.modality, root)
        return Project.create(root, name, dataset, encoder, furnish, target_split=target)


@contextmanager
def reading(
    request: NewProject,
    home: Path,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    announce: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Dataset]:
    """The data that is meant; pictures of a ZIP lie below `home` for as long as the block runs.

    Raises:
        DataError: it cannot be used; the sentence names the row or column.
    """
    parts = {"train": request.source, "valid": request.valid, "test": request.test}
    given = {split: path for split, path in parts.items() if path is not None}
    options = request.options
    if options.kind == "folder" and any(map(is_zip, given.values())):
        # A ZIP is read as the pictures in it; `folder` is what a user would call that.
        options = replace(options, kind=None)
    with ExitStack() as stack:
        watch = Watch(progress, cancel)
        read = {
            split: stack.enter_context(readable(home, path, watch)) for split, path in given.items()
        }
        for path in read.values():
            _announce_hub(path, options, announce)
        source: str | dict[str, str] = read["train"] if len(read) == 1 else read
        yield read_source(source, options, progress=progress, cancel=cancel)


def first_rows(
    source: str, options: ReadOptions, home: Path, rows: int, announce: Callable[[str], None]
) -> FirstLook:
    """The first rows of a source, of which no project is made; of the hub only these are fetched.

    Raises:
        DataError: it cannot be read at all.
    """
    with readable(home, source) as path:
        _announce_hub(path, options, announce)
        return first_look(path, options, rows)


def _announce_hub(path: str, options: ReadOptions, announce: Callable[[str], None]) -> None:
    if guess_kind(path, options) == "hub":
        announce(f"Asking the Hugging Face hub for the data set {path} …")
