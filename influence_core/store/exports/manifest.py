"""`manifest.json` beside every export: what was changed, why, by whom, and the way back.

It names the source and the export by their sha256, so a changed export is noticed before anything
is reverted. It may come from a stranger: every name in it must be a plain one beside it, every
number a number. `store.exports` writes and reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from influence_core.disk.atomic import read_json, write_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import build, plain
from influence_core.errors import StoreError
from influence_core.store.exports.edits import Edit, count_actions
from influence_core.store.exports.way_back import plain_name
from influence_core.store.runs import code_version

KIND = "turnover-export"
IN_FOLDER = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says.

    Attributes:
        format: "csv", "parquet", "hf" or "folder".
        name: of the exported file or folder, which lies beside this file or around it.
        sha256: of the export; of the names and hashes of a folder's files.
        rows: left in the export.
        source: name, sha256 and so on of the file that was exported.
        provenance: data set fingerprint, split and run.
        options: of the export.
        edits: every change, in row order.
        notes: sentences that a reader of the export should know.
        revert: what rebuilds the source, by format.
        created: UTC time, ISO 8601.
        code_version: of this package.
    """

    format: str
    name: str
    sha256: str
    rows: int
    source: Mapping[str, Any]
    provenance: Mapping[str, Any]
    options: Mapping[str, Any]
    edits: tuple[Edit, ...]
    notes: tuple[str, ...] = ()
    revert: Mapping[str, Any] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    code_version: str = field(default_factory=code_version)

    @property
    def counts(self) -> dict[str, int]:
        """Rows removed, relabelled and left."""
        return {**count_actions(self.edits), "rows": self.rows}

    def write(self, path: Path) -> None:
        """Write the file in one step.

        Raises:
            StoreError: it cannot be written.
        """
        head = {"kind": KIND, "counts": self.counts}
        write_json(path, stamped("export", {**head, **plain(self)}))

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """The manifest in this file.

        Raises:
            StoreError: it is missing, damaged, of a newer version, or no manifest.
        """
        value = read_json(path)
        if value.get("kind") != KIND:
            raise StoreError(f"{path} is not the manifest of an export.")
        made = build(cls, upgraded("export", value, path), path)
        plain_name(made.name, path)
        return made


def manifest_path(out: Path, folder: bool) -> Path:
    """Where the manifest of this export lies: inside a folder, beside a file."""
    return out / IN_FOLDER if folder else out.with_name(f"{out.name}.{IN_FOLDER}")
