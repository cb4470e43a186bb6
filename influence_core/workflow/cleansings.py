"""Cleansings that a project keeps: `cleansings/<id>.json`, what would change and why.

Written by `turnover cleanse` and the Cleanse page, read by exports. A file is written in one step
and never changed; the newest is the default.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from influence_core.errors import MismatchError, StoreError
from influence_core.store.atomic import read_json, write_json
from influence_core.store.export_edits import Edit
from influence_core.store.names import check_name, new_run_id
from influence_core.store.project import Project
from influence_core.workflow.judge import Judge
from influence_core.workflow.session import Session

FOLDER = "cleansings"


@dataclass(frozen=True)
class Cleansing:
    """What was asked (judge, estimator, rule) and the edits that came out of it."""

    judge: Judge
    estimator: str
    by: str
    edits: tuple[Edit, ...]


def save_cleansing(session: Session, found: Cleansing) -> str:
    """Keep it with the project; returns its id."""
    name = new_run_id()
    folder = session.project.root / FOLDER
    folder.mkdir(exist_ok=True)
    write_json(
        folder / f"{name}.json",
        {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": session.run.id,
            "fingerprint": session.project.fingerprint,
            "judge": {"split": found.judge.split, "part": found.judge.part},
            "estimator": found.estimator,
            "by": found.by,
            "edits": [edit.to_json() for edit in found.edits],
        },
    )
    return name


def load_cleansing(project: Project, name: str | None = None) -> Cleansing:
    """A kept cleansing, the newest by default.

    Raises:
        StoreError: there is none, or the file is damaged.
        MismatchError: it belongs to other data.
    """
    folder = project.root / FOLDER
    if name is None:
        names = sorted(path.stem for path in folder.glob("*.json"))
        if not names:
            raise StoreError(
                f"Project '{project.name}' has no cleansing yet; make one with: "
                f"turnover cleanse {project.root.name}"
            )
        name = names[-1]
    path = folder / f"{check_name(name, 'cleansing')}.json"
    if not path.is_file():
        raise StoreError(f"Project '{project.name}' has no cleansing '{name}'.")
    value = read_json(path)
    if value.get("fingerprint") != project.fingerprint:
        raise MismatchError(f"Cleansing '{name}' belongs to other data; cleanse again.")
    try:
        return Cleansing(
            Judge(**value["judge"]),
            value["estimator"],
            value["by"],
            tuple(Edit.from_json(edit) for edit in value["edits"]),
        )
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}); cleanse again.") from error
