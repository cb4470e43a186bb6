"""A project: one folder with the data, the features, the runs, the reviews and the exports.

    project.toml  data/  features/  runs/<id>/  reviews.db  exports/

`Project` is a light handle: opening reads `project.toml` only, data and features come when asked
for. Workflow writes through it, pages read through it. Projects stand side by side in one folder,
`$TURNOVER_HOME` or `~/turnover`; the shipped samples are copied there at the first start, so the
installed or checked-out originals are never written to.
"""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.data.dataset import Dataset
from influence_core.data.keys import to_hex
from influence_core.disk.arrays import map_array
from influence_core.disk.atomic import atomic_folder, read_json, write_text
from influence_core.disk.fingerprint import of_parts
from influence_core.disk.formats import upgraded
from influence_core.disk.locks import locked
from influence_core.disk.names import check_name, find_folder, id_at, moment_after
from influence_core.disk.names import projects_home as projects_home  # noqa: PLC0414
from influence_core.errors import MismatchError, StoreError
from influence_core.store.reviews.trust import trust
from influence_core.store.runs import RECORD, Kind, Run, RunRecord, RunWriter
from influence_core.store.settings import SETTINGS, ProjectSettings
from influence_core.store.tables import (
    DatasetHeader,
    copy_sources,
    load_dataset,
    read_header,
    save_dataset,
)
from influence_core.store.tidy import tidy_project


@dataclass(frozen=True)
class Project:
    """A handle on a project folder, which may be kept: what others change is seen at once."""

    root: Path

    @classmethod
    def create(
        cls,
        root: Path,
        name: str,
        dataset: Dataset,
        encoder: str,
        furnish: Callable[[Path], object] = lambda folder: None,
        **settings: str,
    ) -> "Project":
        """Write a new project; it appears as a whole or not at all.

        Args:
            root: folder that does not exist yet, or is empty.
            name: shown to people.
            dataset: is copied with its source files, apart from folders of pictures.
            encoder: spec of the encoder.
            furnish: puts more into the folder before anybody sees it.
            settings: other fields of `ProjectSettings`.

        Raises:
            StoreError: the folder is in use or cannot be written.
        """
        made = ProjectSettings(
            name=name,
            modality=dataset.modality,
            encoder=encoder,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            id=uuid4().hex,
            **settings,
        )
        with atomic_folder(root) as folder:
            (folder / SETTINGS).write_text(made.to_toml(), encoding="utf-8")
            dataset = copy_sources(folder, dataset, root)
            save_dataset(folder / "data", dataset, root)
            furnish(folder)
        return cls(root)

    @classmethod
    def open(cls, root: Path | str) -> "Project":
        """Open a project.

        Args:
            root: its folder; or its name as a text, as the command line takes it.

        Raises:
            StoreError: there is no project, or its settings are damaged.
        """
        folder = find_folder(root) if isinstance(root, str) else root
        if not (folder / SETTINGS).is_file():
            raise StoreError(f"{root} is not a project: it has no {SETTINGS}.")
        found = cls(folder)
        _ = found.settings  # damaged ones are told at once
        return found

    @property
    def settings(self) -> ProjectSettings:
        """The settings as they stand in `project.toml` now."""
        return ProjectSettings.read(self.root / SETTINGS)

    @property
    def name(self) -> str:
        """Name that is shown to people."""
        return self.settings.name

    @property
    def id(self) -> str:
        """What tells it from other projects, whatever it is called; copies of a folder share it."""
        # One that was made before projects had an id has that of its data and its time.
        settings = self.settings
        return settings.id or uuid5(NAMESPACE_URL, f"{settings.created} {self.fingerprint}").hex

    @cached_property
    def dataset(self) -> Dataset:
        """The data set; opened at first use."""
        return load_dataset(self.root / "data", self.root)

    @cached_property
    def header(self) -> DatasetHeader:
        """What is known of the data set without opening it."""
        return read_header(self.root / "data")

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the data set, without opening the data."""
        return self.header.fingerprint

    @property
    def exports_folder(self) -> Path:
        """Where exports go."""
        return self.root / "exports"

    def with_settings(self, **changes: str) -> "Project":
        """Change settings on disk; returns the project. A database that is set so is trusted.

        Raises:
            StoreError: there is no such setting, or it cannot be written.
        """
        known = {f.name for f in fields(ProjectSettings)} - {"modality", "created"}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise StoreError(f"{unknown} are not settings of a project; there are {sorted(known)}.")
        if changes.get("database"):
            trust(changes["database"])
        path = self.root / SETTINGS
        with locked(path, seconds=10):
            made = replace(ProjectSettings.read(path), **changes)  # type: ignore[arg-type]
            write_text(path, made.to_toml())
        return self

    def features_folder(self, encoder_fingerprint: str | None = None) -> Path:
        """Folder of the features of this data under an encoder, by default that of the settings."""
        if encoder_fingerprint is None:
            encoder_fingerprint = self.settings.encoder_fingerprint
        return self.root / features_name(encoder_fingerprint, self.fingerprint)

    def features_path(self, split: str, encoder_fingerprint: str | None = None) -> Path:
        """The feature file of a split, existing or not."""
        return self.features_folder(encoder_fingerprint) / f"{check_name(split, 'split')}.npy"

    def features(
        self, split: str, encoder_fingerprint: str | None = None
    ) -> npt.NDArray[np.float16]:
        """The encoder's features of a split: memory-mapped, float16 (N, dim), read-only.

        Raises:
            StoreError: they have not been made yet, are incomplete or damaged.
            MismatchError: they belong to other data or another encoder.
        """
        path = self.features_path(split, encoder_fingerprint)
        if not path.is_file():
            raise StoreError(
                f"Project {self.name!r} has no features of split {split!r} yet; run training "
                "first, it makes them."
            )
        self._check_features(path, split)
        features = map_array(path)
        if features.dtype != np.float16 or features.shape[:1] != (self.header.splits[split],):
            raise StoreError(f"{path} is damaged (its shape is wrong); delete it and train again.")
        return features

    def _check_features(self, path: Path, split: str) -> None:
        card = upgraded("features", read_json(path.with_suffix(".json")), path)
        if card.get("dataset_fingerprint") != self.fingerprint or card.get("split") != split:
            raise MismatchError(f"{path} was made from other data; delete it and train again.")
        if card.get("done") != card.get("rows"):
            raise StoreError(
                f"{path} is incomplete ({card.get('done')} of {card.get('rows')} rows); "
                "train again, it goes on from there."
            )

    def decisions(self) -> pd.DataFrame:
        """What counts about each training row that somebody has decided about, in their order.

        Columns: `key`, `id`, `outcome` (a verdict, or "disputed"), `old_label`, `new_label`
        (missing unless it is relabelled), `reviewers` (how many have a word about the row).
        """
        from influence_core.store.reviews.state import ReviewState
        from influence_core.store.reviews.store import open_reviews

        train, state = self.dataset.train, ReviewState()
        with closing(open_reviews(self)) as store:
            state.catch_up(store)
        counts = state.counting(train.keys, train.content_hashes)
        lines = [
            (to_hex(train.keys[p]), train.ids[p], e.outcome, e.event.decision.old_label,
             e.new_label, e.reviewers)
            for p, e in counts.items()
        ]  # fmt: skip
        columns = ["key", "id", "outcome", "old_label", "new_label", "reviewers"]
        return pd.DataFrame(lines, columns=columns)

    @property
    def runs_folder(self) -> Path:
        """Where runs are."""
        return self.root / "runs"

    def runs(self) -> list[RunRecord]:
        """Records of all readable runs, newest first; see `damaged_runs` for the others."""
        found = self._read_runs()
        records = [record for record in found.values() if isinstance(record, RunRecord)]
        return sorted(records, key=lambda record: (record.created, record.id), reverse=True)

    def damaged_runs(self) -> dict[str, str]:
        """Ids of runs that cannot be read, with the reason."""
        return {name: r for name, r in self._read_runs().items() if isinstance(r, str)}

    def run(self, run_id: str) -> Run:
        """A run of this project's data.

        Raises:
            StoreError: there is no such run, or its record is damaged.
            MismatchError: it was trained on other data.
        """
        folder = self.runs_folder / check_name(run_id, "run")
        if not folder.is_dir():
            raise StoreError(f"Project {self.name!r} has no run {run_id!r}.")
        record = RunRecord.read(folder / RECORD)
        if record.fingerprint != self.fingerprint:
            raise MismatchError(
                f"Run {run_id!r} was trained on other data (fingerprint {record.fingerprint[:12]}) "
                f"than project {self.name!r} holds ({self.fingerprint[:12]}); train again."
            )
        return Run(record, folder)

    def latest_run(self) -> Run | None:
        """The newest run of this project's data, or None."""
        matching = (r for r in self.runs() if r.fingerprint == self.fingerprint)
        newest = next(matching, None)
        return None if newest is None else self.run(newest.id)

    def new_run(
        self,
        kind: Kind,
        config: Mapping[str, Any],
        seed: int,
        encoder_fingerprint: str,
        note: str = "",
    ) -> RunWriter:
        """A writer for a new run; use it in a `with` block.

        Args:
            kind: "head" or "network".
            config: every setting of the training.
            seed: of masks, start and batch order.
            encoder_fingerprint: the encoder's weights.
            note: free text.
        """
        tidy_project(self.root)
        moment = moment_after(record.created for record in self.runs())
        record = RunRecord(
            id=id_at(moment),
            created=moment.isoformat(timespec="microseconds"),
            kind=kind,
            config=dict(config),
            seed=seed,
            fingerprint=self.fingerprint,
            encoder=self.settings.encoder,
            encoder_fingerprint=encoder_fingerprint,
            note=note,
        )
        return RunWriter(self.runs_folder, record)

    def _read_runs(self) -> dict[str, RunRecord | str]:
        found: dict[str, RunRecord | str] = {}
        if self.runs_folder.is_dir():
            for folder in self.runs_folder.iterdir():
                if folder.is_dir() and not folder.name.startswith("."):
                    try:
                        found[folder.name] = RunRecord.read(folder / RECORD)
                    except StoreError as error:
                        found[folder.name] = str(error)
        return found


def features_name(encoder_fingerprint: str, data_fingerprint: str) -> Path:
    """Folder of features, seen from the project."""
    return Path("features", of_parts([f"{encoder_fingerprint}:{data_fingerprint}"])[:16])


def list_projects(home: Path) -> list[Project]:
    """All projects that can be opened, by folder name."""
    found = []
    for settings in sorted(home.glob(f"*/{SETTINGS}")):
        if not settings.parent.name.startswith("."):
            with suppress(StoreError):
                found.append(Project.open(settings.parent))
    return found
