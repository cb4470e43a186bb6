"""One training run on disk: what was trained, on which data, with what result.

A run is a folder `runs/<id>/` of `run.json` (the record), `model.safetensors`, tables as Parquet
and `progress.jsonl`. `RunWriter` fills a temporary folder that is renamed at the very end, so a run
is visible whole or not at all; afterwards its files never change, and their hashes stand in the
record. Workflow writes runs, everything after training reads them.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from influence_core.disk.atomic import (
    atomic_file,
    atomic_folder,
    plain_errors,
    plain_value,
    read_bytes,
    read_json,
    write_json,
)
from influence_core.disk.fingerprint import of_file
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.names import check_name
from influence_core.disk.records import Figure, build
from influence_core.errors import StoreError
from influence_core.progress import Progress

RECORD = "run.json"
MODEL = "model.safetensors"
PROGRESS = "progress.jsonl"
Kind = Literal["head", "network"]
OWN_MODEL = "own_model"  # in the config of a network run of which only probabilities are known
LINEAR = "linear_model"  # and of one that is no network, but linear in the features


def code_version() -> str:
    """Version of the installed package, or "unknown" in a bare checkout."""
    try:
        return metadata.version("turnover")
    except metadata.PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class IsolationSummary:
    """What the isolation audit found: for people, in [0, 1], its spill, and from how many rows."""

    headline: str = "audited"
    isolated: float | None = None
    spill: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class RunRecord:
    """What `run.json` says.

    Attributes:
        id: folder name; sorts by time.
        created: UTC time, ISO 8601.
        kind: "head" on a frozen encoder, or "network".
        config: every setting of the training.
        seed: of masks, start and batch order.
        fingerprint: of the data set that it was trained on.
        encoder: the encoder's spec.
        encoder_fingerprint: the encoder's weights.
        code_version: of this package.
        metrics: figures by name.
        isolation: result of the isolation audit, if there was one.
        finding: a sentence on why the run's scores mean little; "" where nothing was found.
        note: free text.
        files: sha256 by file name, so that damage is noticed.
    """

    id: str
    created: str
    kind: Kind
    config: dict[str, Any]
    seed: int
    fingerprint: str
    encoder: str
    encoder_fingerprint: str
    code_version: str = field(default_factory=code_version)
    metrics: dict[str, Figure] = field(default_factory=dict)
    isolation: IsolationSummary | None = None
    finding: str = ""
    note: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def called(self) -> str:
        """Its kind for people."""
        own = "own model" if self.config.get(OWN_MODEL) else self.kind
        return "linear model" if self.config.get(LINEAR) else own

    @property
    def trained(self) -> str:
        """What was trained: the spec of a whole network, which may have another encoder than the
        project, or that of the encoder below a head; or what there is of a user's own model."""
        if own := self.config.get(OWN_MODEL):
            return str(own)
        network = self.config.get("network")
        own = network.get("encoder") if isinstance(network, dict) else None
        return str(own) if self.kind == "network" and own else self.encoder

    @classmethod
    def read(cls, path: Path) -> "RunRecord":
        """The record in this `run.json`.

        Raises:
            StoreError: the file is missing, damaged or of a newer version; names it.
        """
        record = build(cls, upgraded("run", read_json(path), path), path)
        if record.id != path.parent.name:
            raise StoreError(f"{path} is that of the run {record.id!r}; restore it from a copy.")
        return record


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        record: what `run.json` says.
        folder: where its files are.
    """

    record: RunRecord
    folder: Path

    @property
    def id(self) -> str:
        """Folder name of the run."""
        return self.record.id

    def tensors(self) -> dict[str, Tensor]:
        """The model's tensors, on the CPU.

        Raises:
            StoreError: `model.safetensors` is missing, truncated or changed; names it.
        """
        path = self.folder / MODEL
        self._check(path)
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error

    def has_table(self, name: str) -> bool:
        """Whether the run has this table."""
        return self._table_path(name).is_file()

    def table(self, name: str) -> pd.DataFrame:
        """A table that was written beside the model.

        Raises:
            StoreError: there is none of this name, or it is damaged; names it.
        """
        path = self._table_path(name)
        self._check(path)
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error

    def add_table(self, name: str, frame: pd.DataFrame) -> None:
        """Keep a result that was computed from this run later, such as an evaluation.

        Raises:
            StoreError: it cannot be written, or the run was saved with a table of this name.
        """
        path = self._table_path(name)
        if path.name in self.record.files:
            raise StoreError(f"{path} belongs to the run itself and stays as it is.")
        with atomic_file(path) as temporary:
            frame.to_parquet(temporary, index=False, compression="zstd")

    def progress(self) -> list[dict[str, Any]]:
        """The progress events of the training, oldest first; [] if none were kept."""
        path = self.folder / PROGRESS
        if not path.is_file():
            return []
        data = read_bytes(path)
        try:
            lines = data.decode("utf-8").splitlines()
            events = [json.loads(line) for line in lines]
        except (ValueError, RecursionError) as error:
            raise _damaged(path, str(error)) from error
        if not all(_is_event(event) for event in events):
            raise _damaged(path, "a line is no event of a training")
        return events

    def _table_path(self, name: str) -> Path:
        return self.folder / f"{check_name(name, 'table')}.parquet"

    def _check(self, path: Path) -> None:
        """Refuse a file that is not the one that the record speaks of."""
        with plain_errors("read", path):
            digest = of_file(path)
        if self.record.files.get(path.name, digest) != digest:
            raise _damaged(path, "its content is not what was saved")


class RunWriter:
    """Writes a run; nothing of it is visible before the `with` block has ended well.

    Use `Project.new_run`; then inside `with writer:` call the `write_` methods and `set`.
    """

    def __init__(self, runs_folder: Path, record: RunRecord) -> None:
        self.record = record
        self._final = runs_folder / check_name(record.id, "run")
        self._stack = ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> "RunWriter":
        self._folder = self._stack.enter_context(atomic_folder(self._final))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if kind is None:
            try:
                self._write_record()
            except BaseException as failure:
                self._stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._folder = None
        return self._stack.__exit__(kind, error, trace)

    @property
    def id(self) -> str:
        """Folder name that the run will have."""
        return self.record.id

    @property
    def run(self) -> Run:
        """The finished run, after the block."""
        return Run(RunRecord.read(self._final / RECORD), self._final)

    def set(
        self,
        *,
        metrics: Mapping[str, float] | None = None,
        isolation: IsolationSummary | None = None,
        finding: str | None = None,
        note: str | None = None,
    ) -> None:
        """Add what is known only after training; metrics add to those set before."""
        if metrics is not None:
            self.record = replace(self.record, metrics={**self.record.metrics, **metrics})
        if isolation is not None:
            self.record = replace(self.record, isolation=isolation)
        if finding is not None:
            self.record = replace(self.record, finding=finding)
        if note is not None:
            self.record = replace(self.record, note=note)

    def write_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Write the model's tensors, of any device, as `model.safetensors`."""
        plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
        save_file(plain, self._open / MODEL, metadata={"fingerprint": self.record.fingerprint})

    def subfolder(self, name: str) -> Path:
        """A new folder inside the run, for files of another program's making."""
        folder = self._open / check_name(name, "folder")
        folder.mkdir()
        return folder

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table as Parquet; its index is not kept."""
        path = self._open / f"{check_name(name, 'table')}.parquet"
        frame.to_parquet(path, index=False, compression="zstd")

    def progress(self, event: Progress) -> None:
        """Append a progress event; can be passed on as a `ProgressFn`."""
        with (self._open / PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(event), default=plain_value) + "\n")

    @property
    def _open(self) -> Path:
        if self._folder is None:
            raise StoreError("This run is not being written; use the writer in a `with` block.")
        return self._folder

    def _write_record(self) -> None:
        files = {
            path.name: of_file(path) for path in sorted(self._open.iterdir()) if path.is_file()
        }
        self.record = replace(self.record, files=files)
        write_json(self._open / RECORD, stamped("run", asdict(self.record)))


def _is_event(value: Any) -> bool:
    figures = (value.get("metrics") or {}) if isinstance(value, dict) else None
    return isinstance(figures, dict) and all(isinstance(v, int | float) for v in figures.values())


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path} is damaged ({why}); restore it from a copy or train again.")
