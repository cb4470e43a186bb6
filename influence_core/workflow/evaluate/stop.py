"""Where an evaluation was when it stopped: which stages are done, for the same options.

`evaluate` notes every finished stage beside the run's retrainings and removes the note at the end.
Finding one, it takes the finished stages' tables from the run and goes on with the next stage; a
note for other options is about another evaluation and is forgotten.
"""

from dataclasses import asdict
from pathlib import Path

from influence_core.disk.atomic import plain_errors, read_json, write_json
from influence_core.disk.fingerprint import of_code
from influence_core.errors import StoreError
from influence_core.workflow.evaluate.work import Work

FILE = "unfinished.json"


def finished_stages(work: Work) -> list[str]:
    """Stages that an earlier call finished; their tables are put into `work.tables`."""
    path = _path(work)
    if not path.is_file():
        return []
    try:
        note = read_json(path)
        if note["options"] != _options(work):
            return []
        tables = {name: work.session.run.table(f"eval-{name}") for name in note["tables"]}
        work.tables.update(tables)
        return [str(stage) for stage in note["done"]]
    except (StoreError, KeyError, TypeError):
        return []  # a damaged note costs time, nothing else


def note_finished(work: Work, done: list[str]) -> None:
    """Note the finished stages; their tables and conclusions are stored already."""
    write_json(_path(work), {"options": _options(work), "done": done, "tables": list(work.tables)})


def forget_stop(work: Work) -> None:
    """The evaluation is complete: the next one measures again."""
    with plain_errors("remove", _path(work)):
        _path(work).unlink(missing_ok=True)


def _path(work: Work) -> Path:
    return work.folder / FILE


def _options(work: Work) -> dict[str, object]:
    options = asdict(work.options)
    return {**options, "what": list(work.options.what), "code": of_code()}
