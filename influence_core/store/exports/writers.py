"""One writer a format: from a `Start` to files, and what the manifest must know about them.

A writer fills a temporary path; `store.exports` makes it visible. `WRITERS` is the registry of
formats.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from influence_core.disk.fingerprint import of_file, of_files
from influence_core.errors import MismatchError
from influence_core.progress import ProgressFn
from influence_core.store.exports.arrow import TableRules, write_edited_hf, write_edited_parquet
from influence_core.store.exports.csv_bytes import CsvResult, CsvRules, write_edited_csv
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.images import LISTING, copy_tree, plan_tree
from influence_core.store.exports.manifest import patches_to_json
from influence_core.store.exports.plan import Start

ORIGINAL = "original"
_NO_WAY_BACK = "No copy of the original was kept, so this export cannot be reverted."
_OLD_SOURCE = "The source changed while it was exported; nothing was written. Import it again."


@dataclass(frozen=True)
class Written:
    """What a writer left.

    Attributes:
        rows: in the export.
        revert: what rebuilds the source, for the manifest.
        notes: sentences for the manifest.
        original: a file to keep beside a single exported file, None if there is none.
    """

    rows: int
    revert: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    original: Path | None = None


Writer = Callable[[Start, Path, ExportOptions, ProgressFn | None], Written]


@dataclass(frozen=True)
class Format:
    """A format of exports: name for menus, whether it is a folder, and its writer."""

    title: str
    is_folder: Callable[[Start], bool]
    write: Writer


def _write_csv(
    start: Start, out: Path, options: ExportOptions, progress: ProgressFn | None
) -> Written:
    result = _edit_csv(start, out, options, progress)
    revert = {"kind": "patches", **_target(start), "patches": patches_to_json(result.patches)}
    return Written(result.rows, revert, _defused_note(result))


def _write_parquet(
    start: Start, out: Path, options: ExportOptions, progress: ProgressFn | None
) -> Written:
    rules = TableRules(start.label, start.edits, start.classes)
    rows = write_edited_parquet(start.path, rules, out, progress)
    if of_file(start.path) != start.sha256:
        raise MismatchError(_OLD_SOURCE)
    if not options.keep_original:
        return Written(rows, notes=(_NO_WAY_BACK,))
    return Written(rows, {"kind": "file", **_target(start)}, original=start.path)


def _write_parquet_parts(
    start: Start, out: Path, options: ExportOptions, progress: ProgressFn | None
) -> Written:
    rules = TableRules(start.label, start.edits, start.classes)
    first = rows = 0
    for part in start.parts:
        source, target = start.path / part, out / part
        target.parent.mkdir(parents=True, exist_ok=True)
        stop = first + _parquet_rows(source)
        rows += write_edited_parquet(source, rules.within(first, stop), target, progress)
        first = stop
    if of_files(start.path, start.parts) != start.sha256:
        raise MismatchError(_OLD_SOURCE)
    return _kept(start.path, start.parts, out, options, rows)


def _write_hf(
    start: Start, out: Path, options: ExportOptions, progress: ProgressFn | None
) -> Written:
    del progress  # the library writes in one go
    rules = TableRules(start.label, start.edits, start.classes)
    rows = write_edited_hf(start.path, start.inner, rules, out)
    original = start.path if start.inner is None else start.path / start.inner
    parts = tuple(sorted(p.name for p in original.iterdir() if p.is_file()))
    return _kept(original, parts, out, options, rows)


def _write_images(
    start: Start, out: Path, options: ExportOptions, progress: ProgressFn | None
) -> Written:
    result = _edit_csv(start, out / LISTING, options, progress)
    notes = _defused_note(result)
    pictures = start.pictures
    if pictures is None or not options.copy_images:
        revert = {"kind": "patches", **_target(start), "patches": patches_to_json(result.patches)}
        return Written(result.rows, {**revert, "file": LISTING}, notes)
    moves = plan_tree(pictures.paths, start.edits, pictures.depth)
    copy_tree(pictures.root, pictures.paths, moves, out, progress)
    return Written(
        result.rows,
        {"kind": "tree", "moves": [asdict(move) for move in moves.values()]},
        (*notes, "Removed pictures are kept in 'removed', which is not part of the data."),
    )


WRITERS: dict[str, Format] = {
    "csv": Format("CSV, every untouched byte as it was", lambda start: False, _write_csv),
    "parquet": Format(
        "Parquet, same schema",
        lambda start: bool(start.parts),
        lambda start, *rest: (_write_parquet_parts if start.parts else _write_parquet)(
            start, *rest
        ),
    ),
    "hf": Format("Hugging Face dataset folder", lambda start: True, _write_hf),
    "folder": Format("List of an image folder, and its tree", lambda start: True, _write_images),
}


def _edit_csv(
    start: Start, out: Path, options: ExportOptions, progress: ProgressFn | None
) -> CsvResult:
    rules = CsvRules(start.form, start.column, start.edits, options.spreadsheet_safe)
    return write_edited_csv(start.path, start.sha256, rules, out, progress)


def _defused_note(result: CsvResult) -> tuple[str, ...]:
    if not result.defused:
        return ()
    return (
        f"{result.defused} fields got an apostrophe in front, so that no spreadsheet runs them as "
        "formulas: their text is changed. Reverting takes the apostrophes away.",
    )


def _target(start: Start) -> dict[str, Any]:
    """Name and hash of what reverting gives."""
    return {"name": start.path.name, "sha256": start.sha256}


def _kept(
    source: Path, parts: tuple[str, ...], out: Path, options: ExportOptions, rows: int
) -> Written:
    """Copy the original files into the exported folder."""
    if not options.keep_original:
        return Written(rows, notes=(_NO_WAY_BACK,))
    for part in parts:
        target = out / ORIGINAL / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / part, target)
    digest = of_files(out / ORIGINAL, parts)
    return Written(rows, {"kind": "files", "parts": list(parts), "sha256": digest})


def _parquet_rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)
