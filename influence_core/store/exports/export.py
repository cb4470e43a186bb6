"""Export a corrected split, usually the training rows: in its own format, or another one.

What is written lies beside, or holds, a manifest from which `revert` gives the source's bytes back.
`make_plan` finds what the edits apply to, one writer a format applies them, and `publish` makes the
result visible. Workflow, command line and pages call this.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path, PurePath

from influence_core.data.dataset import Dataset
from influence_core.data.readers.packed import packed_like, packing_of
from influence_core.disk.atomic import plain_errors
from influence_core.disk.fingerprint import of_file, of_files
from influence_core.disk.temporary import remove_abandoned, temporary_folder
from influence_core.progress import ProgressFn
from influence_core.store.exports.arrow import (
    with_original,
    write_arrow,
    write_hf,
    write_parquet,
    write_parts,
    write_untouched,
)
from influence_core.store.exports.csv_bytes import write_csv
from influence_core.store.exports.edits import Edit, ExportOptions
from influence_core.store.exports.images import write_images
from influence_core.store.exports.manifest import IN_FOLDER, Manifest
from influence_core.store.exports.plan import ExportPlan, make_plan
from influence_core.store.exports.publish import (
    keep_beside,
    publish_file,
    publish_folder,
    put_manifest,
    refuse_target,
)
from influence_core.store.exports.values import write_excel, write_fasttext, write_json
from influence_core.store.exports.way_back import Written

# A writer a format: it fills a temporary path, and says what the manifest must know.
WRITERS: dict[str, Callable[[ExportPlan, Path, ProgressFn | None], Written]] = {
    "csv": write_csv,
    "json": write_json,
    "fasttext": write_fasttext,
    "xlsx": write_excel,
    "arrow": write_arrow,
    "parquet": write_parquet,
    "hf": write_hf,
    "folder": write_images,
}


def export(
    dataset: Dataset,
    edits: Sequence[Edit],
    out: Path,
    form: str | None = None,
    options: ExportOptions | None = None,
    *,
    run: str | None = None,
    progress: ProgressFn | None = None,
) -> Manifest:
    """Write an edited copy of the source of a split, and its manifest.

    Args:
        dataset: as imported.
        edits: changes to rows of the split that the options name.
        out: file or folder to make; its manifest is `<out>.manifest.json`, or `manifest.json` in a
            folder.
        form: one of `WRITERS`; None means the source's own.
        options: see there.
        run: id of the run behind the scores, for the manifest.
        progress: hears how far it is.

    Returns:
        The manifest as written.

    Raises:
        StoreError: `out` exists or cannot be written, the disk is full, or the format does not fit.
        MismatchError: the source is gone or changed since the import, or an edit is about other
            data. In every case nothing new is visible and earlier exports are as they were.
        DataError: there is no such split.
    """
    options = options or ExportOptions()
    remove_abandoned(out.parent, out.name)
    # Beside the target, so that it is on a disk that has to be large enough anyway.
    with plain_errors("write", out), temporary_folder(out) as scratch:
        plan = make_plan(dataset, edits, form, options, scratch)
        refuse_target(out, plan.file, options.overwrite, plan.is_folder)
        if plan.is_folder:
            with publish_folder(out) as folder:
                written = _write(plan, folder, out, progress)
                made = _manifest(dataset, run, plan, written, out, folder_hash(folder))
                made.write(folder / IN_FOLDER)
            return made
        with publish_file(out, plan.sha256) as temporary:
            written = _write(plan, temporary, out, progress)
            made = _manifest(dataset, run, plan, written, out, of_file(temporary))
            if written.original is not None:
                keep_beside(out, written.original, plan.sha256)
            put_manifest(made, out)
        return made


def _write(plan: ExportPlan, out: Path, target: Path, progress: ProgressFn | None) -> Written:
    """By the writer of the format; packed if the target is called so, or file by file."""
    inside = plan.inside
    packs = inside is not None and packing_of(target) == packing_of(plan.path)
    if plan.is_untouched and plan.form != "folder" and packs == (inside is not None):
        return write_untouched(plan, out)
    if inside is not None:
        edited = inside.path.with_name("edited") if packs else out
        written = WRITERS[plan.form](inside, edited, progress)
        if packs:
            packed_like(plan.path, plan.member, edited, out)
        return with_original(plan, written.rows, written.notes)
    if plan.files:
        return write_parts(plan, out, lambda one, to: WRITERS[plan.form](one, to, progress))
    return WRITERS[plan.form](plan, out, progress)


def _manifest(
    dataset: Dataset, run: str | None, plan: ExportPlan, written: Written, out: Path, sha256: str
) -> Manifest:
    return Manifest(
        format=plan.form,
        name=out.name,
        sha256=sha256,
        rows=written.rows,
        source={"kind": "memory", **plan.record},
        provenance={
            "dataset_fingerprint": dataset.fingerprint,
            "split": plan.options.split,
            "run": run,
        },
        options=asdict(plan.options),
        edits=tuple(plan.edits.values()),
        notes=(*plan.notes, *written.notes),
        revert=written.revert,
    )


def folder_hash(folder: Path) -> str:
    """sha256 hex over the names and contents of an exported folder, its manifest left out."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return of_files(folder, sorted(path.as_posix() for path in files if not _is_no_data(path)))


def _is_no_data(path: PurePath) -> bool:
    """The manifest, and what desktops and the `datasets` library leave behind on reading."""
    return (
        path.as_posix() == IN_FOLDER
        or path.name.startswith(".")
        or (path.name.startswith("cache-") and path.suffix == ".arrow")
    )
