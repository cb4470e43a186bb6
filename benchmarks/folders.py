"""Folders of a benchmark that live as long as its process."""

import atexit
import shutil
import tempfile
from pathlib import Path


def lasting_folder() -> Path:
    """A new folder, removed when the process ends."""
    made = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)
