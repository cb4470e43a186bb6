"""Decisions as files: CSV and JSON lines of our own, and what labelling tools read and write.

A format turns rows with their decisions into bytes, and a file back into lines that say which row,
which verdict. What the lines mean for a project is decided in `import_decisions`. A new format is
one file and one line in `FORMATS`.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influence_core.data.keys import to_hex
from influence_core.data.options import ReadOptions
from influence_core.data.readers.text.csv_detect import detect_format
from influence_core.data.readers.text.csv_format import read_records
from influence_core.errors import DataError
from influence_core.store.exports.csv_fields import escaped, is_formula
from influence_core.store.reviews.events import Decision, Event

COLUMNS = (
    "key", "id", "given", "verdict", "new_label", "note", "reviewer", "time", "run", "content"
)  # fmt: skip
# What a person may choose beside the classes, where a tool only knows labels.
EXCLUDE = "(exclude this row)"
UNSURE = "(unsure)"
# What people write for a verdict.
WORDS = {"remove": "exclude", "delete": "exclude", "drop": "exclude"}


def label_of(decision: Decision, given: str) -> str:
    """A decision as one label: a class, `EXCLUDE` or `UNSURE`."""
    special = {"exclude": EXCLUDE, "unsure": UNSURE, "keep": given or UNSURE}
    return special.get(decision.verdict) or decision.new_label or UNSURE


@dataclass(frozen=True)
class Row:
    """A training row as it is exported, with the decisions about it.

    Attributes:
        key: 16 hex digits. id: of the source. given: label, "" if none.
        text: the sentence, or None.
        picture: encoded bytes, or None; a row that is gone has neither.
        suggested: label by the flipped side, "" if unknown, p_suggested its probability.
        decided: the decision of each reviewer; empty for a row that is still to be decided.
    """

    key: str
    id: str
    given: str
    text: str | None
    picture: bytes | None
    suggested: str
    p_suggested: float
    decided: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Line:
    """One decision as a file has it; nothing is checked against a project yet.

    Attributes:
        place: for messages, such as "line 7".
        key, id: which row; one of them may be empty.
        verdict: as in the file, lower case; "label" where a file only tells the right label.
        label: the new or right label, "" if none.
        note, reviewer, content: "" if the file does not say; content is a hash, 16 hex digits.
        problem: why the line cannot be read, "" if it can.
    """

    place: str
    key: str
    id: str
    verdict: str
    label: str
    note: str = ""
    reviewer: str = ""
    content: str = ""
    problem: str = ""

    @classmethod
    def labelled(
        cls, place: str, row: tuple[str, str], label: str, note: str, reviewer: str
    ) -> "Line":
        """A line of a tool that only knows labels; `row` is its key and id."""
        special = {EXCLUDE: "exclude", UNSURE: "unsure"}
        verdict = special.get(label, "label")
        named = label if verdict == "label" else ""
        return cls(place, row[0].strip().lower(), row[1], verdict, named, note, reviewer)


@dataclass(frozen=True)
class DecisionFormat:
    """How decisions become a file and come back.

    Attributes:
        title: for people.
        suffix: of the file.
        write: rows and class names to bytes.
        read: a file to its lines; a CSV as the options say it is written.
        scored: whether suggestions go along, so label scores are needed.
        settings: what the tool must be set to, if it needs telling: rows and class names to text.
        settings_suffix: what a file with these settings is called after the first file's name.
    """

    title: str
    suffix: str
    write: Callable[[Sequence[Row], Sequence[str]], bytes]
    read: Callable[[Path, ReadOptions], list[Line]]
    scored: bool = False
    settings: Callable[[Sequence[Row], Sequence[str]], str] | None = None
    settings_suffix: str = ""


def write_csv(rows: Sequence[Row], classes: Sequence[str]) -> bytes:
    """One line a row and reviewer, UTF-8, columns `COLUMNS`."""
    return _csv(rows, lambda value: value)


def write_safe_csv(rows: Sequence[Row], classes: Sequence[str]) -> bytes:
    """The same with an apostrophe before what a spreadsheet would run; `read_csv` removes it."""
    return _csv(rows, escaped)


def _csv(rows: Sequence[Row], spelled: Callable[[str], str]) -> bytes:
    out = io.StringIO(newline="")
    # Python before 3.13 quotes a lone "\r" only if the line end has one.
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for record in _flat(rows):
        values = (record[name] for name in COLUMNS)
        # What looks escaped already gets one apostrophe more, so reading may always take one.
        writer.writerow(f"'{v}" if _looks_escaped(v) else spelled(v) for v in values)
    return out.getvalue().encode("utf-8")


def _looks_escaped(value: str) -> bool:
    return value.startswith("'") and is_formula(value.lstrip("'"))


def write_jsonl(rows: Sequence[Row], classes: Sequence[str]) -> bytes:
    """The same as JSON lines."""
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in _flat(rows))
    return "".join(lines).encode("utf-8")


def _flat(rows: Sequence[Row]) -> list[dict[str, str]]:
    return [
        {
            "key": row.key,
            "id": row.id,
            "given": row.given,
            "verdict": event.decision.verdict,
            "new_label": event.decision.new_label or "",
            "note": event.decision.note,
            "reviewer": event.reviewer,
            "time": event.time,
            "run": event.run,
            "content": to_hex(event.decision.content_hash),
        }
        for row in rows
        for event in row.decided
    ]


def read_csv(path: Path, options: ReadOptions) -> list[Line]:
    """Any CSV with a column `verdict` and one of `key` and `id`; other columns are ignored.

    Args:
        path: of the file.
        options: `encoding` and `quoting` are used.

    Raises:
        DataError: it cannot be read, is empty, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist or is no file; check the path.")
    form = detect_format(path, encoding=options.encoding, quoting=options.quoting)
    records = (record for record in read_records(path, form) if record.fields)
    header = next(records, None)
    if header is None:
        raise DataError(f"{path.name} is empty; it needs a line of column names: verdict, key …")
    names = [name.strip().lower() for name in header.fields]
    if "verdict" not in names or not {"key", "id"} & set(names):
        raise DataError(
            f"{path.name} has the columns {', '.join(names)}; decisions need 'verdict' (relabel, "
            "exclude, keep or unsure) and 'key' or 'id', and 'new_label' for the verdict 'relabel'."
        )
    lines = []
    for record in records:
        values = (v[1:] if _looks_escaped(v) else v for v in record.fields)
        fields = dict(zip(names, values, strict=False))
        if "verdict" in fields and not (fields["verdict"] + fields.get("new_label", "")).strip():
            continue  # nobody has decided on it
        problem = ""
        if len(record.fields) != len(names):
            problem = (
                f"it has {len(record.fields)} fields and the first line names {len(names)}; "
                "put quotes around fields with a delimiter in them"
            )
        lines.append(_line(f"line {record.line}", fields, problem))
    return lines


def read_jsonl(path: Path, options: ReadOptions) -> list[Line]:
    """JSON lines with the same names.

    Raises:
        DataError: the file cannot be read.
    """
    lines = []
    for number, text in enumerate(read_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        problem = ""
        record: Any = None
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            problem = f"it is not JSON ({error})"
        if not isinstance(record, dict):
            problem = problem or "it is not a JSON object"
            record = {}
        fields = {str(name): plain(value) for name, value in record.items()}
        lines.append(_line(f"line {number}", fields, problem))
    return lines


def _line(place: str, fields: Mapping[str, str], problem: str) -> Line:
    def get(name: str) -> str:
        return fields.get(name, "").strip()

    verdict, label = get("verdict").lower(), fields.get("new_label", "")
    verdict = WORDS.get(verdict, verdict)
    if not label.strip() and verdict == "relabel":
        label = fields.get("suggested", "")  # of `turnover labels --out`
    if label.strip() and not verdict:
        verdict = "label"
    return Line(
        place,
        get("key").lower(),
        # Spaces may belong to an id or a label.
        fields.get("id", ""),
        verdict,
        label,
        fields.get("note", ""),
        get("reviewer"),
        get("content").lower(),
        problem,
    )


def read_text(path: Path) -> str:
    """A UTF-8 file as text.

    Raises:
        DataError: it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 text; save it as UTF-8.") from error


def read_list(path: Path, tool: str) -> list[dict[str, Any]]:
    """A JSON file that is a list of objects.

    Raises:
        DataError: it is something else.
    """
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not JSON ({error}).") from error
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise DataError(f"{path.name} is not a list of {tool} records; export it as JSON.")
    return value


def plain(value: Any) -> str:
    """A JSON value as the text of a field."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
