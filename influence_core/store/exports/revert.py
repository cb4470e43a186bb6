"""The way back: from an export and its manifest to the bytes of the source.

Nothing else is needed, and nothing is believed: the export must have the hash that the manifest
names, and what comes out must have the source's. `turnover export --revert` ends here.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from influence_core.disk.atomic import atomic_file, atomic_folder, plain_errors
from influence_core.disk.fingerprint import of_file, of_files, stream
from influence_core.errors import MismatchError, StoreError
from influence_core.store.exports.arrow import ORIGINAL
from influence_core.store.exports.export import folder_hash
from influence_core.store.exports.images import restore_tree, tree_hash
from influence_core.store.exports.manifest import IN_FOLDER, Manifest
from influence_core.store.exports.publish import edited, find_manifest, original_path
from influence_core.store.exports.way_back import Way, inner_path, plain_name, unpatched


def revert(manifest_file: Path, out: Path, *, overwrite: bool = False) -> Manifest:
    """Rebuild the source of an export.

    Args:
        manifest_file: the export's manifest; the export lies beside or around it.
        out: file or folder to make.
        overwrite: replace a file at `out`; folders are never replaced.

    Returns:
        The manifest that was followed.

    Raises:
        MismatchError: the export was edited, or the result is not the source.
        StoreError: the manifest is damaged, no way back was kept, or `out` cannot be written.
    """
    manifest = find_manifest(manifest_file)
    inside = manifest_file.name == IN_FOLDER
    export = manifest_file.parent if inside else manifest_file.with_name(manifest.name)
    way = Way.read(manifest.revert, manifest_file)
    if way.kind not in _WAYS:
        raise StoreError(
            f"{manifest_file} keeps no way back; the export was made without a copy of the "
            "original."
        )
    if out.exists() and (out.is_dir() or not overwrite or out.resolve() == export.resolve()):
        raise StoreError(f"{out} exists already; choose another name.")
    with plain_errors("revert", export):
        if inside and folder_hash(export) != manifest.sha256:
            raise edited(export)
        _WAYS[way.kind](_Export(manifest, way, manifest_file, export), out)
    return manifest


@dataclass(frozen=True)
class _Export:
    """An export and what is said about it: manifest, way back, the manifest's path, its own."""

    manifest: Manifest
    way: Way
    said_in: Path
    path: Path


def _from_patches(of: _Export, out: Path) -> None:
    """A CSV, or the list of an image folder."""
    listing, export = of.way.file, of.path
    export = export if listing is None else export / plain_name(listing, of.said_in)
    read, made = stream(), stream()
    with export.open("rb") as source, atomic_file(out) as temporary:
        with temporary.open("wb") as target:
            for piece in unpatched(source, of.way.patches, read.update):
                made.update(piece)
                target.write(piece)
        if listing is None and read.hexdigest() != of.manifest.sha256:
            raise edited(export)
        _check_result(made.hexdigest(), of)


def _from_file(of: _Export, out: Path) -> None:
    """A Parquet file: the copy beside it."""
    if of_file(of.path) != of.manifest.sha256:
        raise edited(of.path)
    original = original_path(of.path, plain_name(of.way.sha256, of.said_in))
    with atomic_file(out) as temporary:
        shutil.copyfile(original, temporary)
        _check_result(of_file(temporary), of)


def _from_files(of: _Export, out: Path) -> None:
    """A folder of Parquet or Arrow files: the copies in it."""
    parts = [str(inner_path(part, of.said_in)) for part in of.way.parts]
    with atomic_folder(out) as folder:
        for part in parts:
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            kept = of.path / ORIGINAL / part  # others stand in the export as they were
            shutil.copyfile(kept if kept.is_file() else of.path / part, target)
        _check_result(of_files(folder, parts), of)


def _from_tree(of: _Export, out: Path) -> None:
    """A copied tree of pictures; earlier versions kept no hash of its source."""
    with atomic_folder(out) as folder:
        restore_tree(of.path, of.way.moves, folder)
        if of.way.sha256:
            _check_result(tree_hash(folder), of)


_WAYS: dict[str, Callable[[_Export, Path], None]] = {
    "patches": _from_patches,
    "file": _from_file,
    "files": _from_files,
    "tree": _from_tree,
}


def _check_result(digest: str, of: _Export) -> None:
    if digest != of.way.sha256:
        raise MismatchError(
            f"What {of.said_in} leads back to is not the source that it names; the manifest, or "
            "the copy of the original, was changed. Restore them from a copy."
        )
