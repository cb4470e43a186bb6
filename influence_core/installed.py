"""Where the shipped sample projects and the dashboard's files are, and what serves it.

In a checkout they stand beside the package, in an installed wheel inside it.
"""

import sys
from pathlib import Path

from influence_core.errors import StoreError

EVERYWHERE = ("0.0.0.0", "::")
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


def serve_command(host: str, port: int) -> list[str]:
    """What serves the dashboard, to be started in `dashboard_root`, whose settings are read then.

    Raises:
        StoreError: the installation is incomplete.
    """
    # Without its welcome Streamlit asks no service in the world for this machine's address.
    return [
        sys.executable, "-m", "streamlit", "run", str(dashboard_root() / "app.py"),
        "--server.address", host, "--server.port", str(port),
        "--logger.hideWelcomeMessage", str(host in EVERYWHERE).lower(),
    ]  # fmt: skip
