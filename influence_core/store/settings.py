"""The settings of a project, as they stand in `project.toml`.

Small and for people to read; written with a few lines of our own, since the standard library
reads TOML but does not write it. `store.project` is the caller.
"""

import json
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from influence_core.data.dataset import Modality
from influence_core.disk.atomic import plain_errors
from influence_core.errors import StoreError

SETTINGS = "project.toml"
VERSION = 1


@dataclass(frozen=True)
class ProjectSettings:
    """What `project.toml` says.

    Attributes:
        name: shown to people.
        modality: "image" or "text".
        trunk: spec of the trunk, such as "minilm" or "vgg:trunk.safetensors".
        trunk_fingerprint: of the trunk that the features were made with; "" before the first time.
        default_estimator: name, or "" for the tool's own default, flipped-ridge.
        judge: split that cleansing is judged on.
        database: SQLAlchemy URL of the reviews, or "" for `reviews.db` in the project.
        created: UTC time, ISO 8601.
        version: of the folder's layout.
    """

    name: str
    modality: Modality
    trunk: str
    trunk_fingerprint: str = ""
    default_estimator: str = ""
    judge: str = "valid"
    database: str = ""
    created: str = ""
    version: int = VERSION

    @classmethod
    def read(cls, path: Path) -> "ProjectSettings":
        """The settings in this file.

        Raises:
            StoreError: the file is missing or damaged, or a newer version wrote it.
        """
        with plain_errors("read", path):
            data = path.read_bytes()
        try:
            value = tomllib.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path} is damaged ({error}); mend it or restore a copy.") from error
        if value.get("version") != VERSION:
            raise StoreError(
                f"{path} has layout version {value.get('version')!r}, this program knows "
                f"{VERSION}; update the program or create the project again."
            )
        known = {f.name for f in fields(cls)}
        wrong = sorted(
            name
            for name in set(value) | {"name", "modality", "trunk"}
            if name not in known or type(value.get(name)) is not (int if name == "version" else str)
        )
        if wrong or value["modality"] not in ("image", "text"):
            raise StoreError(f"{path} has missing or unknown settings; see {wrong or 'modality'}.")
        return cls(**value)

    def to_toml(self) -> str:
        """The text of `project.toml`."""
        lines = (f"{f.name} = {_toml(getattr(self, f.name))}" for f in fields(self))
        return "# A Turnover project; opened with `turnover app` or `turnover explain`.\n" + (
            "\n".join(lines) + "\n"
        )


def _toml(value: str | int) -> str:
    """A TOML value; JSON strings are TOML strings, apart from the bare DEL character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
