"""How an export becomes visible: whole, with its manifest, and never instead of something else.

A file and its manifest are two names, which no file system renames in one step. So the order is
fixed: the copy of the original (under a name that carries its hash), the new manifest under a
pending name, the export, the manifest. Whenever the program dies, either the old pair stands
untouched, or the new export stands and `find_manifest` finds its manifest under one of the two
names. A folder carries its manifest inside and is renamed once.
"""

import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from influence_core.data.source import SourceFile
from influence_core.disk.atomic import atomic_file, atomic_folder, plain_errors
from influence_core.disk.fingerprint import of_file
from influence_core.errors import MismatchError, StoreError
from influence_core.store.exports.manifest import Manifest, manifest_path

PENDING = ".pending"
PREVIOUS = ".previous"
NEXT = ".next"


def refuse_target(out: Path, file: SourceFile | None, overwrite: bool, folder: bool) -> None:
    """Make sure that writing to `out` destroys nothing.

    Raises:
        StoreError: it is the source, or is there already, or is no earlier export of this kind.
    """
    source = Path(file.path) if file is not None and file.path else None
    inside = source is not None and out.resolve().is_relative_to(source.resolve())
    if inside and out.exists():
        raise StoreError(f"{out} is the source itself or lies in it; choose another place.")
    if not out.exists() and not out.is_symlink():
        return
    if not overwrite:
        raise StoreError(f"{out} exists already; choose another name, or allow overwriting.")
    if out.is_symlink() or out.is_dir() != folder:
        raise StoreError(f"{out} is of another kind than the export; choose another name.")
    if folder and not manifest_path(out, folder=True).is_file():
        raise StoreError(f"{out} is no earlier export, so it is not replaced; choose another name.")


@contextmanager
def publish_file(out: Path, sha256: str) -> Iterator[Path]:
    """Yield a temporary path for the export; inside, also call `put_manifest`.

    Args:
        out: the exported file.
        sha256: of the original; copies of other originals go with the export that they belong to.

    Raises:
        StoreError: it cannot be written; what was there before is as it was.
    """
    manifest = manifest_path(out, folder=False)
    pending = manifest.with_name(manifest.name + PENDING)
    _settle(out, manifest, pending)
    before = _originals(out)
    try:
        with atomic_file(out) as temporary:
            yield temporary
    except BaseException:
        pending.unlink(missing_ok=True)
        for copy in _originals(out) - before:
            copy.unlink(missing_ok=True)
        raise
    with plain_errors("write", manifest):
        pending.replace(manifest)
        for copy in before - {original_path(out, sha256)}:
            copy.unlink(missing_ok=True)


def put_manifest(manifest: Manifest, out: Path) -> None:
    """Write the manifest of a file that is about to appear."""
    path = manifest_path(out, folder=False)
    manifest.write(path.with_name(path.name + PENDING))


def keep_beside(out: Path, original: Path, sha256: str) -> None:
    """Keep a copy of the original beside a file that is about to appear.

    Its name carries its hash, so the copy of an earlier export stays what it was.
    """
    with atomic_file(original_path(out, sha256)) as temporary:
        shutil.copyfile(original, temporary)


def original_path(out: Path, sha256: str) -> Path:
    """Where the copy of the original lies."""
    return out.with_name(f"{out.name}.{sha256[:12]}.original")


def _originals(out: Path) -> set[Path]:
    return set(out.parent.glob(f"{glob.escape(out.name)}.{'[0-9a-f]' * 12}.original"))


@contextmanager
def publish_folder(out: Path) -> Iterator[Path]:
    """Yield a folder to fill, the manifest included; it then takes the place of `out`.

    An earlier export steps aside to `<out>.previous` for the moment between two renames.

    Raises:
        StoreError: it cannot be written; what was there before is as it was.
    """
    if not out.exists():
        with atomic_folder(out) as folder:
            yield folder
        return
    ready, aside = out.with_name(out.name + NEXT), out.with_name(out.name + PREVIOUS)
    with plain_errors("replace", out):
        if aside.exists():
            raise StoreError(f"{aside} is an export that was set aside; move or remove it first.")
        shutil.rmtree(ready, ignore_errors=True)
    with atomic_folder(ready) as folder:
        yield folder
    with plain_errors("replace", out):
        out.rename(aside)
        ready.rename(out)
        shutil.rmtree(aside)


def find_manifest(path: Path) -> Manifest:
    """The manifest at this path, or the one that a crash kept from getting there.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    pending = path.with_name(path.name + PENDING)
    if pending.is_file():
        waiting = Manifest.read(pending)
        exported = path.with_name(waiting.name)
        if exported.is_file() and of_file(exported) == waiting.sha256:
            return waiting
    return Manifest.read(path)


def _settle(out: Path, manifest: Path, pending: Path) -> None:
    """Finish, or forget, what a crash left between the export and its manifest."""
    if not pending.is_file():
        return
    with plain_errors("write", manifest):
        if out.is_file() and of_file(out) == Manifest.read(pending).sha256:
            pending.replace(manifest)
        else:
            pending.unlink()


def edited(exported: Path) -> MismatchError:
    """The sentence for an export that is no longer what was written."""
    return MismatchError(
        f"{exported} was changed after it was exported (its sha256 is another), so it cannot be "
        "reverted; restore it from a copy."
    )
