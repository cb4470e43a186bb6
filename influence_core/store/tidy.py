"""What processes that were killed left behind in projects, removed at the next start.

Temporaries whose owner still lives stay (`disk.temporary`), so any number of processes may tidy up
while others work. Called when the dashboard starts and before a run is written.
"""

from pathlib import Path

from influence_core.disk.checkpoint import FOLDER, tidy
from influence_core.disk.temporary import remove_abandoned
from influence_core.store.settings import SETTINGS


def tidy_project(root: Path) -> None:
    """Runs, exports, features and jobs that were never finished, and forgotten checkpoints."""
    for folder in (root, *root.glob("*/"), *root.glob("*/*/")):
        remove_abandoned(folder)
    if (root / FOLDER).is_dir():
        tidy(root / FOLDER)


def tidy_home(home: Path) -> None:
    """The same for all projects, and for those that were never finished themselves."""
    remove_abandoned(home)
    for settings in home.glob(f"*/{SETTINGS}"):
        tidy_project(settings.parent)
