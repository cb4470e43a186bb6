"""Export a cleansed data set, and take an export back: the two verbs.

`export` writes the edited source in its own format, or another one, with a manifest; `revert`
gives the source's bytes back from the export and its manifest alone. Where an export begins is in
`export_start`, how formats are written in `export_writers`, how a result becomes visible in
`export_publish`. Workflow, CLI and pages call this.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

from influence_core.disk.atomic import plain_errors
from influence_core.disk.fingerprint import of_file, of_files
from influence_core.disk.temporary import remove_abandoned, temporary_folder
from influence_core.errors import StoreError
from influence_core.progress import ProgressFn
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.manifest import IN_FOLDER, Manifest
from influence_core.store.exports.plan import FORMATS, Order, Start, begin, natural_format
from influence_core.store.exports.publish import (
    keep_beside,
    publish_file,
    publish_folder,
    put_manifest,
    refuse_target,
)
from influence_core.store.exports.writers import WRITERS, Written


def export(
    order: Order,
    out: Path,
    form: str | None = None,
    options: ExportOptions | None = None,
    progress: ProgressFn | None = None,
) -> Manifest:
    """Write an edited copy of a split's source, and its manifest.

    Args:
        order: data set, edits, split, run.
        out: file or folder to make; its manifest is `<out>.manifest.json`, or `manifest.json` in a
            folder.
        form: "csv", "parquet", "hf" or "folder"; None means the source's own.
        options: see there.
        progress: hears how far it is.

    Returns:
        The manifest as written.

    Raises:
        StoreError: `out` exists or cannot be written, the disk is full, or the format does not fit.
        MismatchError: the source is gone or changed since the import, or an edit is about other
            data. In every case nothing new is visible and earlier exports are as they were.
    """
    options = options or ExportOptions()
    form = form or natural_format(order.dataset, order.split)
    _check(form, options)
    remove_abandoned(out.parent, out.name)
    # Beside the target, so that it is on a disk that has to be large enough anyway.
    with plain_errors("write", out), temporary_folder(out) as scratch:
        start = begin(order, form, options, scratch)
        folder = WRITERS[form].is_folder(start)
        sources = [Path(start.record["path"])] if start.record.get("path") else []
        refuse_target(out, sources, options.overwrite, folder)
        job = _Job(order, form, options, start, progress)
        return job.to_folder(out) if folder else job.to_file(out)


def _check(form: str, options: ExportOptions) -> None:
    """Refuse a format that is none, and options that would silently do nothing."""
    if form not in WRITERS:
        raise StoreError(f"There is no format {form!r}; there are {list(FORMATS)}.")
    if options.spreadsheet_safe and form not in ("csv", "folder"):
        raise StoreError(f"Only a CSV can be made safe for spreadsheets, and this is {form!r}.")
    if options.copy_images and form != "folder":
        raise StoreError(f"Only image folders have pictures to copy, and this is {form!r}.")


class _Job:
    """One export whose start is known."""

    def __init__(
        self,
        order: Order,
        form: str,
        options: ExportOptions,
        start: Start,
        progress: ProgressFn | None,
    ) -> None:
        self.order, self.form, self.options = order, form, options
        self.start, self.progress = start, progress

    def to_file(self, out: Path) -> Manifest:
        with publish_file(out, self.start.sha256) as temporary:
            written = self._write(temporary)
            manifest = self._manifest(out, of_file(temporary), written)
            if written.original is not None:
                keep_beside(out, written.original, self.start.sha256)
            put_manifest(manifest, out)
        return manifest

    def to_folder(self, out: Path) -> Manifest:
        with publish_folder(out) as folder:
            written = self._write(folder)
            manifest = self._manifest(out, folder_hash(folder), written)
            manifest.write(folder / IN_FOLDER)
        return manifest

    def _write(self, target: Path) -> Written:
        return WRITERS[self.form].write(self.start, target, self.options, self.progress)

    def _manifest(self, out: Path, sha256: str, written: Written) -> Manifest:
        order = self.order
        return Manifest(
            format=self.form,
            name=out.name,
            sha256=sha256,
            rows=written.rows,
            source={"kind": order.dataset.source.kind, **_without_folder(self.start.record)},
            provenance={
                "dataset_fingerprint": order.dataset.fingerprint,
                "split": order.split,
                "run": order.run,
            },
            options=asdict(self.options),
            edits=tuple(sorted(order.edits, key=lambda edit: edit.row)),
            notes=(*self.start.notes, *written.notes),
            revert=written.revert,
        )


def _without_folder(record: Mapping[str, Any]) -> dict[str, Any]:
    """A source's record by its name alone: manifests are sent to others, and its hash tells more
    surely than its place which file it was."""
    found = dict(record)
    return {**found, "path": Path(found["path"]).name} if found.get("path") else found


def folder_hash(folder: Path) -> str:
    """sha256 hex over the names and contents of an exported folder, its manifest left out."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return of_files(folder, sorted(path.as_posix() for path in files if not _is_no_data(path)))


def find_exports(folder: Path) -> list[tuple[Path, Manifest]]:
    """Exports in a folder with their manifests, newest first; damaged ones are left out."""
    found: list[tuple[Path, Manifest]] = []
    for path in sorted([*folder.glob(f"*.{IN_FOLDER}"), *folder.glob(f"*/{IN_FOLDER}")]):
        try:
            manifest = Manifest.read(path)
        except StoreError:
            continue
        inside = path.name == IN_FOLDER
        if not path.parent.name.startswith("."):
            found.append((path.parent if inside else path.with_name(manifest.name), manifest))
    return sorted(found, key=lambda pair: pair[1].created, reverse=True)


def _is_no_data(path: PurePath) -> bool:
    """The manifest, and what desktops and the `datasets` library leave behind on reading."""
    return (
        path.as_posix() == IN_FOLDER
        or path.name.startswith(".")
        or (path.name.startswith("cache-") and path.suffix == ".arrow")
    )
