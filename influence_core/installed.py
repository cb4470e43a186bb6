"""Where the shipped sample projects and the dashboard's files are.

In a checkout they stand beside the package, in an installed wheel inside it.
"""

from pathlib import Path

from influence_core.errors import StoreError

_PACKAGE = Path(__file__).resolve().parent


def sample_root() -> Path | None:
    """The folder of shipped sample projects, or None where there are none."""
    for folder in (_PACKAGE.parent / "sample_data", _PACKAGE / "_dashboard" / "sample_data"):
        if any(folder.glob("*/project.toml")):
            return folder
    return None


def sample_names() -> frozenset[str]:
    """Folder names of the shipped samples."""
    root = sample_root()
    if root is None:
        return frozenset()
    return frozenset(path.parent.name for path in root.glob("*/project.toml"))


def dashboard_root() -> Path:
    """The folder of `app.py`.

    Raises:
        StoreError: the installation is incomplete.
    """
    for folder in (_PACKAGE.parent, _PACKAGE / "_dashboard"):
        if (folder / "app.py").is_file() and (folder / "pages").is_dir():
            return folder
    raise StoreError("The dashboard's app.py is not installed; install the package again.")
