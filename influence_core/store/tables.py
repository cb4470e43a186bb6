"""A data set on disk: `data/dataset.json` and one table per split.

Small splits are compressed Parquet, which keeps sample projects small; from `MAPPED_BYTES` on they
are uncompressed Arrow files that open at once and stay on disk, memory-mapped. `store.project` is
the only caller.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.build import SPLIT_NAME
from influence_core.data.dataset import (
    CORE_COLUMNS,
    Dataset,
    Split,
    fingerprint_of,
    split_from_arrow,
)
from influence_core.data.source import SourceInfo
from influence_core.disk.atomic import plain_errors, read_json, write_json
from influence_core.errors import DataError, MismatchError, StoreError

HEADER = "dataset.json"
MAPPED_BYTES = 64 * 2**20
ROWS_PER_BATCH = 65_536


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
    write_json(
        folder / HEADER,
        {
            "classes": list(dataset.classes),
            "modality": dataset.modality,
            "fingerprint": dataset.fingerprint,
            "splits": {split.name: len(split) for split in dataset},
            "image_root": _portable(dataset.image_root, project_root),
            "source": _moved(dataset.source, lambda p: str(_portable(p, project_root))).to_json(),
        },
    )


def read_header(folder: Path) -> dict[str, Any]:
    """What `dataset.json` says, without opening any table: classes, fingerprint, rows by split.

    Raises:
        StoreError: it is missing or damaged.
    """
    header = read_json(folder / HEADER)
    kinds = {"classes": list, "fingerprint": str, "splits": dict, "source": dict}
    wrong = [name for name, kind in kinds.items() if not isinstance(header.get(name), kind)]
    if not isinstance(header.get("image_root"), str | None):
        wrong.append("image_root")
    if header.get("modality") not in ("image", "text"):
        wrong.append("modality")
    # Splits become file names: a file that a stranger made must not name others.
    if not wrong and not all(
        SPLIT_NAME.fullmatch(name) and isinstance(rows, int)
        for name, rows in header["splits"].items()
    ):
        wrong.append("splits")
    if wrong or "train" not in header["splits"]:
        raise StoreError(f"{folder / HEADER} is damaged; see {wrong or ['splits']}.")
    return header


def load_dataset(folder: Path, project_root: Path) -> Dataset:
    """Open the data set; large tables stay on disk.

    Raises:
        StoreError: a file is missing or damaged; names it.
        MismatchError: the tables are not those that `dataset.json` speaks of.
    """
    header = read_header(folder)
    root = header.get("image_root")
    image_root = None if root is None else project_root / root
    splits = {
        name: split_from_arrow(name, _load_table(folder, name), image_root)
        for name in header["splits"]
    }
    classes = tuple(header["classes"])
    if fingerprint_of(splits, classes, header["modality"]) != header["fingerprint"]:
        raise MismatchError(
            f"The tables in {folder} are not those that {HEADER} describes; restore the folder "
            "from a copy or import the data again."
        )
    try:
        # A relative path is below the project: joining leaves an absolute one as it is.
        source = _moved(SourceInfo.from_json(header["source"]), lambda p: str(project_root / p))
    except DataError as error:
        raise StoreError(f"{folder / HEADER} is damaged: {error}") from error
    return Dataset(splits, classes, header["modality"], header["fingerprint"], source)


def _save_table(folder: Path, split: Split) -> None:
    table = split.arrow()
    if table.nbytes < MAPPED_BYTES:
        pq.write_table(table, folder / f"{split.name}.parquet", compression="zstd")
        return
    with (
        pa.OSFile(str(folder / f"{split.name}.arrow"), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=ROWS_PER_BATCH)


def _load_table(folder: Path, name: str) -> pa.Table:
    mapped, packed = folder / f"{name}.arrow", folder / f"{name}.parquet"
    path = mapped if mapped.exists() else packed
    try:
        if path == mapped:
            table = pa.ipc.open_file(pa.memory_map(str(mapped))).read_all()
        else:
            table = pq.read_table(packed)
            table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{path} is missing or damaged; restore it from a copy or import the data again."
        ) from error
    missing = [column for column in CORE_COLUMNS if column not in table.column_names]
    if missing:
        raise StoreError(f"{path} lacks the columns {missing}; import the data again.")
    return table


def _moved(source: SourceInfo, place: Callable[[Path], str]) -> SourceInfo:
    """The same origin with its files' paths rewritten; a hub name is no path."""
    if source.kind == "hub":
        return source
    files = {
        name: replace(file, path=place(Path(file.path))) for name, file in source.files.items()
    }
    dropped = {place(Path(path)): rows for path, rows in source.dropped.items()}
    return replace(source, files=files, dropped=dropped)


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
