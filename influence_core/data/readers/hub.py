"""Reads Hugging Face data sets by their hub name, without trust in what their authors wrote.

A data set of the hub says itself which files it consists of, and each picture may be the path of a
file. Both could name anything on this machine or in its network. So only files of the data set's
own repository are read, and pictures only from the folders that the library downloads into.
`data.readers.registry` is the caller.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from influence_core.data.columns import LOOKED_AT, detect_columns
from influence_core.data.images import MAX_BYTES
from influence_core.data.options import ReadOptions
from influence_core.data.readers.arrow_file import one_table_a_split
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.data.splitting import known_split
from influence_core.errors import DataError, one_line

_NO_CONFIG = re.compile(r"Config name is missing|BuilderConfig .* not found")
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def looks_like_hub(source: str) -> bool:
    """Whether it reads like "owner/name" and not like a mistyped path.

    What has the suffix of a file, or lies in a folder that is there, is asked of nobody.
    """
    path = Path(source)
    suffix = path.suffix[1:]
    return (
        bool(HUB_NAME.fullmatch(source))
        and not source.startswith(".")
        and not (suffix.isalnum() and not suffix.isdigit())
        and not path.exists()
        and not path.parent.exists()
    )


def read_hub(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Download a data set by its hub name, or take it from the hub's own cache.

    Args:
        source: "owner/name".
        options: `config` and `revision` are used; `label_column` tells whose declared classes are
            meant.
        limit: most rows wanted, of one split, which alone are fetched then; None for all.

    Raises:
        DataError: the hub cannot be reached, or has no such data set, or one that leads elsewhere.
    """
    try:
        if limit is None:
            loaded = _loaded(source, options)
        else:
            loaded = _first_rows(_streamed(source, options), limit)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Network, hub and data errors of a dozen kinds.
        if isinstance(error, ValueError) and _NO_CONFIG.search(str(error)):
            raise DataError(
                f"{source!r} has several configurations; name one (--config): {one_line(error)}."
            ) from error
        raise DataError(
            f"{source!r} is no file or folder here, and cannot be had from the hub "
            f"({one_line(error)}); check the name and the connection, or "
            "download the data set and name its folder."
        ) from error
    file = SourceFile("hub", source, "")
    if limit is not None:  # files are not looked into for a first look
        return one_table_a_split(
            loaded, file, options, limit, lambda table, features: _as_if_read(table)
        )
    folders = _download_folders(source)
    return one_table_a_split(
        loaded,
        file,
        options,
        limit,
        lambda table, features: _media(table, features, options, folders),
    )


def _loaded(source: str, options: ReadOptions) -> Any:
    builder = _builder(source, options)
    builder.download_and_prepare()
    return builder.as_dataset()


def _streamed(source: str, options: ReadOptions) -> Any:
    return _builder(source, options).as_streaming_dataset()


def _first_rows(streamed: Any, limit: int) -> Any:
    """The first rows of the training split, or else of the first one; pictures stay encoded."""
    import datasets

    name, data = None, streamed
    if isinstance(streamed, dict):
        name = min(streamed, key=lambda split: known_split(str(split)) != "train")
        data = streamed[name]
    features = data.features
    if features is not None:
        data = data.decode(False)
    found = datasets.Dataset.from_list(list(islice(data, limit)), features=data.features)
    found = found if features is None else found.cast(features)
    return found if name is None else datasets.DatasetDict({str(name): found})


def _builder(source: str, options: ReadOptions) -> Any:
    """What reads the data set; nothing of its rows is fetched yet.

    Raises:
        DataError: it consists of files that are not its own.
    """
    import datasets

    builder = datasets.load_dataset_builder(source, name=options.config, revision=options.revision)
    for files in (builder.config.data_files or {}).values():
        foreign = [file for file in files if not _is_of(source, file)]
        if foreign:
            raise DataError(
                f"The data set {source} names the file {foreign[0]}, which is not in its own "
                "repository, and is refused; download it and name its folder if you trust it."
            )
    return builder


def _is_of(source: str, file: str) -> bool:
    """Whether a file lies in the repository of the data set."""
    repository, at, path = file.partition("@")
    own = repository.lower() == f"hf://datasets/{source}".lower()
    return own and bool(at) and "::" not in path and ".." not in path.split("/")


def _media(table: pa.Table, features: Any, options: ReadOptions, folders: list[Path]) -> pa.Table:
    """Pictures of the content column as bytes; other columns of media, or of paths, are dropped."""
    from datasets.features.features import require_decoding, require_storage_embed

    media = [n for n, f in features.items() if require_storage_embed(f) or require_decoding(f)]
    try:
        head = _as_if_read(table.slice(0, LOOKED_AT))
        content = detect_columns(head, options, "the data set").content
    except DataError:
        return table  # nothing comes of it; the caller says why
    for name in media:
        position = table.column_names.index(name)
        if name != content:
            table = table.remove_column(position)
        elif pa.types.is_struct(table.schema.field(name).type):
            pictures = pa.array(_pictures(table.column(name), folders), pa.large_binary())
            table = table.set_column(position, name, pa.chunked_array([pictures]))
    return table


def _as_if_read(table: pa.Table) -> pa.Table:
    """The table with nothing in the place of pictures that are files, which are read later."""
    for position, field in enumerate(table.schema):
        if pa.types.is_struct(field.type) and {f.name for f in field.type} == {"bytes", "path"}:
            values = [
                value and {**value, "bytes": value["bytes"] or b""}
                for value in table.column(position).to_pylist()
            ]
            table = table.set_column(position, field, pa.array(values, field.type))
    return table


def _pictures(column: pa.ChunkedArray, folders: list[Path]) -> Iterator[bytes | None]:
    for value in (value for chunk in column.iterchunks() for value in chunk.to_pylist()):
        if value is None or value.get("bytes") is not None or not value.get("path"):
            yield None if value is None else value.get("bytes")
        else:
            yield _downloaded(value["path"], folders)


def _download_folders(source: str) -> list[Path]:
    """Where the libraries put what they download of it; tokens and models lie elsewhere."""
    import datasets
    from huggingface_hub import constants

    own = Path(constants.HF_HUB_CACHE) / f"datasets--{source.replace('/', '--')}"
    found = [Path(datasets.config.DOWNLOADED_DATASETS_PATH), own]
    return [folder.expanduser().resolve() for folder in found]


def _downloaded(path: str, folders: list[Path]) -> bytes | None:
    """The file's bytes if it is one that was downloaded; a row without is found later."""
    try:
        real = Path(path).resolve(strict=True)
        inside = any(real.is_relative_to(folder) for folder in folders)
        if not inside or not real.is_file() or real.stat().st_size > MAX_BYTES:
            return None
        return real.read_bytes()
    except (OSError, ValueError, RuntimeError):
        return None
