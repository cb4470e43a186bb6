"""The way back: from an export and its manifest to the bytes of the source.

Nothing else is needed, and nothing is believed: the export must have the hash that the manifest
names, and what comes out must have the source's. `turnover export --revert` ends here.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from influence_core.disk.atomic import atomic_file, atomic_folder, plain_errors
from influence_core.disk.fingerprint import of_file, of_files, stream
from influence_core.errors import MismatchError, StoreError
from influence_core.store.exports.arrow import ORIGINAL
from influence_core.store.exports.export import folder_hash
from influence_core.store.exports.images import restore_tree
from influence_core.store.exports.manifest import IN_FOLDER, Manifest
from influence_core.store.exports.publish import edited, find_manifest, original_path
from influence_core.store.exports.way_back import (
    inner_path,
    patches_from_json,
    plain_name,
    unpatched,
)


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
    kind = manifest.revert.get("kind")
    if kind not in _WAYS:
        raise StoreError(
            f"{manifest_file} keeps no way back; the export was made without a copy of the "
            "original."
        )
    if out.exists() and (out.is_dir() or not overwrite or out.resolve() == export.resolve()):
        raise StoreError(f"{out} exists already; choose another name.")
    with plain_errors("revert", export):
        if inside and folder_hash(export) != manifest.sha256:
            raise edited(export)
        _WAYS[kind](manifest, manifest_file, export, out)
    return manifest


def _from_patches(manifest: Manifest, path: Path, export: Path, out: Path) -> None:
    """A CSV, or the list of an image folder."""
    patches = patches_from_json(manifest.revert.get("patches"), path)
    listing = manifest.revert.get("file")
    export = export if listing is None else export / plain_name(listing, path)
    read, made = stream(), stream()
    with export.open("rb") as source, atomic_file(out) as temporary:
        with temporary.open("wb") as target:
            for piece in unpatched(source, patches, read.update):
                made.update(piece)
                target.write(piece)
        if listing is None and read.hexdigest() != manifest.sha256:
            raise edited(export)
        _check_result(made.hexdigest(), manifest, path)


def _from_file(manifest: Manifest, path: Path, export: Path, out: Path) -> None:
    """A Parquet file: the copy beside it."""
    if of_file(export) != manifest.sha256:
        raise edited(export)
    original = original_path(export, plain_name(manifest.revert.get("sha256"), path))
    with atomic_file(out) as temporary:
        shutil.copyfile(original, temporary)
        _check_result(of_file(temporary), manifest, path)


def _from_files(manifest: Manifest, path: Path, export: Path, out: Path) -> None:
    """A folder of Parquet or Arrow files: the copies in it."""
    parts = [str(inner_path(part, path)) for part in manifest.revert.get("parts", ())]
    with atomic_folder(out) as folder:
        for part in parts:
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            kept = export / ORIGINAL / part  # others stand in the export as they were
            shutil.copyfile(kept if kept.is_file() else export / part, target)
        _check_result(of_files(folder, parts), manifest, path)


def _from_tree(manifest: Manifest, path: Path, export: Path, out: Path) -> None:
    """A copied tree of pictures; its own hash has been checked."""
    try:
        moves = [{"old": move["old"], "new": move["new"]} for move in manifest.revert["moves"]]
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged; its moves cannot be read ({error}).") from error
    with atomic_folder(out) as folder:
        restore_tree(export, moves, folder)


_WAYS: dict[object, Callable[[Manifest, Path, Path, Path], None]] = {
    "patches": _from_patches,
    "file": _from_file,
    "files": _from_files,
    "tree": _from_tree,
}


def _check_result(digest: str, manifest: Manifest, path: Path) -> None:
    if digest != manifest.revert.get("sha256"):
        raise MismatchError(
            f"What {path} leads back to is not the source that it names; the manifest, or the copy "
            "of the original, was changed. Restore them from a copy."
        )
