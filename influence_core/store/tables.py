"""A data set on disk: `data/dataset.json`, one table per split, and more below `unlabelled/`.

Small splits are compressed Parquet, which keeps sample projects small; from `MAPPED_BYTES` on they
are uncompressed Arrow files that open at once and stay on disk, memory-mapped. `store.project` is
the only caller.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.build import SPLIT_NAME
from influence_core.data.dataset import (
    CORE_COLUMNS,
    Dataset,
    Modality,
    Split,
    fingerprint_of,
)
from influence_core.data.keys import Keys
from influence_core.data.source import SourceInfo
from influence_core.disk.atomic import plain_errors, read_json, write_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import ADVICE, build
from influence_core.errors import MismatchError, StoreError

HEADER = "dataset.json"
UNLABELLED = "unlabelled"  # folder of the splits that are kept for prediction
MAPPED_BYTES = 64 * 2**20
ROWS_PER_BATCH = 65_536


@dataclass(frozen=True)
class DatasetHeader:
    """What `dataset.json` says.

    Attributes:
        classes: names, in the order of the labels' numbers.
        modality: of all rows.
        fingerprint: of the data set.
        splits: rows by name.
        source: where the rows came from.
        image_root: folder of the pictures, if they are not in the tables.
    """

    classes: tuple[str, ...]
    modality: Modality
    fingerprint: str
    splits: Mapping[str, int]
    source: SourceInfo
    image_root: str | None = None


def save_dataset(folder: Path, dataset: Dataset, project_root: Path) -> None:
    """Write the data set into an empty folder.

    Args:
        folder: where to; the caller makes it visible at once or not at all.
        dataset: what to write; pictures on disk are not copied.
        project_root: an image folder below it is remembered relative to it.

    Raises:
        StoreError: it cannot be written.
    """
    with plain_errors("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for split in dataset:
            _save_table(folder, split)
        for split in dataset.unlabelled.values():
            (folder / UNLABELLED).mkdir(exist_ok=True)
            _save_table(folder / UNLABELLED, split)
    header = DatasetHeader(
        dataset.classes,
        dataset.modality,
        dataset.fingerprint,
        {split.name: len(split) for split in dataset},
        _moved(dataset.source, lambda p: str(_portable(p, project_root))),
        _portable(dataset.image_root, project_root),
    )
    write_json(folder / HEADER, stamped("dataset", asdict(header)))


def read_header(folder: Path) -> DatasetHeader:
    """What `dataset.json` says, without opening any table.

    Raises:
        StoreError: it is missing, damaged or of a newer version.
    """
    path = folder / HEADER
    header = build(DatasetHeader, upgraded("dataset", read_json(path), path), path)
    # Splits become file names: a file that a stranger made must not name others.
    names = (*header.splits, *header.source.unlabelled)
    if "train" not in header.splits or not all(map(SPLIT_NAME.fullmatch, names)):
        raise StoreError(f"{path} is damaged (splits); {ADVICE}.")
    return header


def load_dataset(folder: Path, project_root: Path) -> Dataset:
    """Open the data set; large tables stay on disk.

    Raises:
        StoreError: a file is missing or damaged; names it.
        MismatchError: the tables are not those that `dataset.json` speaks of.
    """
    header = read_header(folder)
    image_root = None if header.image_root is None else project_root / header.image_root
    splits = {name: Split(name, _load_table(folder, name), image_root) for name in header.splits}
    if fingerprint_of(splits, header.classes, header.modality) != header.fingerprint:
        raise MismatchError(
            f"The tables in {folder} are not those that {HEADER} describes; restore the folder "
            "from a copy or import the data again."
        )
    # A relative path is below the project: joining leaves an absolute one as it is.
    source = _moved(header.source, lambda p: str(project_root / p))
    kept = {
        name: Split(name, _load_table(folder / UNLABELLED, name), image_root)
        for name in header.source.unlabelled
    }
    return Dataset(splits, header.classes, header.modality, header.fingerprint, source, kept)


def _save_table(folder: Path, split: Split) -> None:
    table = split.table
    if table.nbytes < MAPPED_BYTES:
        pq.write_table(table, folder / f"{split.name}.parquet", compression="zstd")
        return
    with (
        pa.OSFile(str(folder / f"{split.name}.arrow"), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=ROWS_PER_BATCH)


def train_hashes(folder: Path) -> tuple[Keys, Keys]:
    """Keys and content hashes of the training rows, without their contents.

    Raises:
        StoreError: the table is missing or damaged.
    """
    table = _load_table(folder, "train", ("key", "content_hash"))
    return table["key"].to_numpy(), table["content_hash"].to_numpy()


def _load_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    mapped, packed = folder / f"{name}.arrow", folder / f"{name}.parquet"
    path = mapped if mapped.exists() else packed
    try:
        if path == mapped:
            table = pa.ipc.open_file(pa.memory_map(str(mapped))).read_all()
        else:
            table = pq.read_table(packed, columns=columns and list(columns))
            table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{path} is missing or damaged; restore it from a copy or import the data again."
        ) from error
    missing = [column for column in columns or CORE_COLUMNS if column not in table.column_names]
    if missing:
        raise StoreError(f"{path} lacks the columns {missing}; import the data again.")
    # Columns have their types; what `datasets` noted beside them is not needed, and may be damaged
    # where the table is not.
    return table.replace_schema_metadata(None)


def _moved(source: SourceInfo, place: Callable[[Path], str]) -> SourceInfo:
    """The same origin with its files' paths rewritten; a hub name is no path."""
    names = {file.path for file in source.files.values() if file.kind == "hub"}

    def moved(path: str) -> str:
        return path if path in names else place(Path(path))

    files = {name: replace(file, path=moved(file.path)) for name, file in source.files.items()}
    return replace(source, files=files)


def copy_sources(folder: Path, dataset: Dataset, project_root: Path) -> Dataset:
    """Copy source files into `source/` of a project that is being made at `folder`.

    Folders of pictures stay where they are: they may be large, and `image_root` points at them.

    Returns:
        The data set whose origin are the copies, as they will stand below `project_root`.
    """
    copies: dict[str, str] = {}
    for split, file in dataset.source.files.items():
        origin = Path(file.path)
        if file.path in copies or not origin.is_file():
            continue
        name = f"{split}{origin.suffix}"
        with plain_errors("write", folder / "source"):
            (folder / "source").mkdir(exist_ok=True)
            shutil.copyfile(origin, folder / "source" / name)
        copies[file.path] = str(project_root.resolve() / "source" / name)
    return replace(dataset, source=_moved(dataset.source, lambda p: copies.get(str(p), str(p))))


def _portable(path: Path | None, root: Path) -> str | None:
    if path is None:
        return None
    full = path.resolve()
    inside = full.is_relative_to(root.resolve())
    return str(full.relative_to(root.resolve()) if inside else full)
