"""Looking at a stranger's file in a process of its own: what the wizard calls.

`look_safely`, `inspect_safely` and `pack_safely` do what `first_look`, `inspect_source` and
`pack_pictures` do, in a child with a limit of memory and of time (`jobs.guarded`). This module is
also what the child runs.
"""

import base64
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from influence_core.data.columns import ColumnRoles
from influence_core.data.options import ReadOptions
from influence_core.data.readers.zip_file import pack_pictures
from influence_core.data.rows import Watch
from influence_core.disk.records import build
from influence_core.jobs.guarded import Limits, answer, run_guarded
from influence_core.progress import ProgressFn
from influence_core.workflow.projects.account import Account
from influence_core.workflow.projects.preview import (
    FirstLook,
    Inspection,
    Problem,
    first_look,
    inspect_source,
)
from influence_core.workflow.projects.uploads import is_upload

_MODULE = "influence_core.workflow.projects.looking"
LOOK_SECONDS, READ_SECONDS = 120, 1_800
UPLOAD_BYTES = 3 << 30


def look_safely(
    home: Path,
    source: str,
    options: ReadOptions,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> FirstLook:
    """`first_look` in a process of its own.

    Raises:
        DataError: as `first_look`.
        ResourceError: it takes too much memory or time.
        CancelledError: `cancel` was set.
    """
    request = {"what": "look", "source": source, "options": asdict(options)}
    # A data set of the hub is downloaded first.
    seconds = READ_SECONDS if options.kind == "hub" else LOOK_SECONDS
    limits = Limits(_memory(home, source), seconds)
    found = run_guarded(_MODULE, request, limits, progress=progress, cancel=cancel)
    roles = found["roles"]
    return FirstLook(
        found["kind"],
        found["title"],
        tuple(found["columns"]),
        _frame(found["head"]),
        None if roles is None else _roles(roles),
        found["problem"],
    )


def inspect_safely(
    home: Path,
    source: str,
    options: ReadOptions,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Inspection:
    """`inspect_source` in a process of its own; raises as `look_safely`."""
    request = {"what": "inspect", "source": source, "options": asdict(options)}
    limits = Limits(_memory(home, source), READ_SECONDS)
    found = run_guarded(_MODULE, request, limits, progress=progress, cancel=cancel)
    return Inspection(
        modality=found["modality"],
        rows=found["rows"],
        balance=_frame(found["balance"]),
        problems=tuple(
            Problem(p["severity"], p["what"], p["advice"], _frame(p["examples"]))
            for p in found["problems"]
        ),
        thumbnails=tuple((base64.b64decode(data), label) for data, label in found["thumbnails"]),
        account=build(Account, found["account"], "The account"),
        work=float(found["work"]),
    )


def pack_safely(
    archive: Path,
    packed: Path,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """`pack_pictures` in a process of its own; raises as `look_safely`."""
    request = {"what": "pack", "archive": str(archive), "packed": str(packed)}
    limits = Limits(UPLOAD_BYTES, READ_SECONDS)
    run_guarded(_MODULE, request, limits, progress=progress, cancel=cancel)


def _memory(home: Path, source: str) -> int:
    """Half of what is free, and not too much of it for a file that anybody may have sent."""
    half = max(1 << 30, psutil.virtual_memory().available // 2)
    own = Path(source).exists() and not is_upload(home, Path(source))
    return half if own else min(half, UPLOAD_BYTES)


def _roles(value: Mapping[str, Any]) -> ColumnRoles:
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    return ColumnRoles(**plain)


def _frame(value: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(value["data"], columns=value["columns"])


def _plain_frame(frame: pd.DataFrame) -> dict[str, Any]:
    plain = frame.astype(object)
    return {"columns": list(plain.columns), "data": plain.to_numpy().tolist()}


def _handle(request: Mapping[str, Any], tell: ProgressFn) -> Mapping[str, Any]:
    if request["what"] == "pack":
        pack_pictures(Path(request["archive"]), Path(request["packed"]), Watch(tell))
        return {}
    options = ReadOptions.of(request["options"])
    if request["what"] == "look":
        look = first_look(request["source"], options)
        roles = None if look.roles is None else asdict(look.roles)
        return {**vars(look), "head": _plain_frame(look.head), "roles": roles}
    found = inspect_source(request["source"], options, progress=tell)
    return {
        **vars(found),
        "account": asdict(found.account),
        "balance": _plain_frame(found.balance),
        "problems": [{**vars(p), "examples": _plain_frame(p.examples)} for p in found.problems],
        "thumbnails": [(base64.b64encode(d).decode(), label) for d, label in found.thumbnails],
    }


if __name__ == "__main__":
    answer(_handle)
