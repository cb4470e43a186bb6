"""What an evaluation has found out about a project: the best estimator, why, and settings.

One small JSON file beside `project.toml`. The tables that it rests on lie with the run; this file
says what every later question uses. Without it, every estimator works with its own defaults.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from influence_core.disk.atomic import read_json, write_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import Figure, build

FILE = "evaluation.json"


@dataclass(frozen=True)
class CheckResult:
    """Whether a check passed, and why, for people."""

    passed: bool
    text: str


@dataclass(frozen=True)
class EvaluationRecord:
    """The evaluation that counts for a project.

    Attributes:
        run: id of the run that was evaluated.
        created: UTC time, ISO 8601.
        estimator: the best measured one, "" if none was compared; the project's settings say
            which one it uses.
        reason: why, for people.
        settings: per estimator, what its `prepare` is given.
        figures: single numbers by name, such as "ceiling_wrong".
        checks: by name, whether scores can be believed.
    """

    run: str
    created: str
    estimator: str = ""
    reason: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    checks: Mapping[str, CheckResult] = field(default_factory=dict)


def read_evaluation(root: Path) -> EvaluationRecord | None:
    """The record of the project in this folder, or None if it was never evaluated.

    Raises:
        StoreError: the file is damaged or of a newer version.
    """
    path = root / FILE
    if not path.is_file():
        return None
    value = upgraded("evaluation", read_json(path), path)
    return build(EvaluationRecord, value, path, "delete it and evaluate again")


def write_evaluation(root: Path, record: EvaluationRecord) -> None:
    """Replace the record.

    Raises:
        StoreError: it cannot be written.
    """
    write_json(root / FILE, stamped("evaluation", asdict(record)))
