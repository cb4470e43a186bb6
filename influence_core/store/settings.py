"""The settings of a project, as they stand in `project.toml`.

Small and for people to read; written with a few lines of our own, since the standard library
reads TOML but does not write it. `store.project` is the caller.
"""

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from influence_core.data.dataset import Modality
from influence_core.disk.atomic import read_bytes
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import build
from influence_core.errors import StoreError

SETTINGS = "project.toml"


@dataclass(frozen=True)
class ProjectSettings:
    """What `project.toml` says.

    Attributes:
        name: shown to people.
        modality: "image", "text" or "table".
        encoder: spec of the encoder, such as "minilm" or "vgg:trunk.safetensors"; "own:384" for
            features that the user brought.
        encoder_fingerprint: of the encoder that made the features; "" before the first time.
        default_estimator: name, or "" for the tool's own default, flipped-ridge.
        target_split: the split that cleansing makes better.
        database: SQLAlchemy URL of the reviews, or "" for `reviews.db` in the project.
        created: UTC time, ISO 8601.
        id: tells it from other projects, however it is called; "" before projects had one.
    """

    name: str
    modality: Modality
    encoder: str
    encoder_fingerprint: str = ""
    default_estimator: str = ""
    target_split: str = "valid"
    database: str = ""
    created: str = ""
    id: str = ""

    @classmethod
    def read(cls, path: Path) -> "ProjectSettings":
        """The settings in this file.

        Raises:
            StoreError: the file is missing or damaged, or a newer version wrote it.
        """
        data = read_bytes(path)
        try:
            value = tomllib.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path} is damaged ({error}); fix it or restore a copy.") from error
        value = upgraded("project", value, path)
        return build(cls, value, path)

    def to_toml(self) -> str:
        """The text of `project.toml`."""
        lines = (f"{n} = {_toml(v)}" for n, v in stamped("project", asdict(self)).items())
        return "# A Turnover project; opened with `turnover app` or `turnover explain`.\n" + (
            "\n".join(lines) + "\n"
        )


def _toml(value: str | int) -> str:
    """A TOML value; JSON strings are TOML strings, apart from the bare DEL character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
