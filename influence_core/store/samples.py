"""The projects that are shipped, copied into a home where people may change them."""

import shutil
from pathlib import Path

from influence_core.disk.atomic import atomic_folder
from influence_core.errors import StoreError
from influence_core.store.settings import SETTINGS
from influence_core.store.tidy import tidy_home


def install_samples(home: Path, sample_root: Path) -> list[str]:
    """Copy every project below `sample_root` into `home`, unless one of its name is there.

    Any number of processes may do this at once: each copy is made aside and renamed.

    Returns:
        Names of the folders that were copied now.

    Raises:
        StoreError: `home` cannot be written.
    """
    copied = []
    tidy_home(home)
    for origin in sorted(path.parent for path in sample_root.glob(f"*/{SETTINGS}")):
        target = home / origin.name
        if target.exists():
            continue
        try:
            with atomic_folder(target) as folder:
                _copy_tree(origin, folder)
        except StoreError:
            # Another process was faster; that is as good.
            if not (target / SETTINGS).is_file():
                raise
        else:
            copied.append(origin.name)
    return copied


def _copy_tree(origin: Path, folder: Path) -> None:
    """Copy contents only: the originals may be read-only, the copies must not be."""
    shutil.copytree(origin, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
