"""RESULTS.md has two parts: the field (`benchmarks.run`) and the scans (`benchmarks.scan`).

Each is written by its own command, which leaves the other part as it is.
"""

from pathlib import Path

PATH = Path(__file__).with_name("RESULTS.md")
_MARK = "\n<!-- from here on written by python -m benchmarks.scan -->\n"


def write_field(text: str, path: Path = PATH) -> None:
    """Replace the comparison with the field."""
    path.write_text(text + _MARK + _parts(path)[1], encoding="utf-8")


def write_scans(text: str, path: Path = PATH) -> None:
    """Replace the costs of scans, judge and training."""
    path.write_text(_parts(path)[0] + _MARK + text, encoding="utf-8")


def _parts(path: Path) -> tuple[str, str]:
    before, _, after = (path.read_text("utf-8") if path.is_file() else "").partition(_MARK)
    return before, after
