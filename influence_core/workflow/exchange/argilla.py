"""Argilla's records as JSON: what `dataset.records.from_json` and `to_json` of its SDK 2 read and
write.

Source of the format: docs.argilla.io, reference of `rg.Record`. Each record is {"id", "fields",
"metadata", "suggestions", "responses", "vectors"}; suggestions are by question, responses are lists
by question. The data set there needs the text (or image) field, the label question and the text
question that `settings` writes, and `allow_extra_metadata=True`.

Argilla knows people by UUID and refuses responses of people whom it does not know. A reviewer
"argilla UUID" goes out under that UUID; any other name becomes a UUID made from it, which stands in
the metadata, so to import such decisions there give its users these UUIDs. Some versions of the SDK
leave the status of a response out, so "unsure" is a label of its own.
"""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from influence_core.data.options import ReadOptions
from influence_core.workflow.exchange.formats import (
    EXCLUDE,
    UNSURE,
    Line,
    Row,
    label_of,
    plain,
    read_list,
)
from influence_core.workflow.exchange.label_studio import data_uri

_NAMES = uuid.UUID("8d9b2f0e-0f0c-4e0e-9a1c-7475726e6f76")  # any fixed one
_PREFIX = "argilla "


def settings(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """Python that makes the data set in Argilla."""
    picture = bool(rows) and rows[0].picture is not None
    field = 'rg.ImageField(name="image")' if picture else 'rg.TextField(name="text")'
    return (
        "import argilla as rg\n\n"
        "settings = rg.Settings(\n"
        f"    fields=[{field}],\n"
        "    questions=[\n"
        f'        rg.LabelQuestion(name="label", labels={[*classes, EXCLUDE, UNSURE]!r}),\n'
        '        rg.TextQuestion(name="note", required=False),\n'
        "    ],\n"
        "    allow_extra_metadata=True,\n"
        ")\n"
    )


def write(rows: Sequence[Row], classes: Sequence[str]) -> bytes:
    """Records as JSON; undecided rows have no responses, rows that are gone are left out."""
    records = [_record(row) for row in rows if row.text is not None or row.picture is not None]
    return json.dumps(records, ensure_ascii=False, indent=1).encode("utf-8")


def _record(row: Row) -> dict[str, Any]:
    field = {"text": row.text} if row.picture is None else {"image": data_uri(row.picture)}
    people = {f"reviewer-{_user(name)}": name for name in (e.reviewer for e in row.decided)}
    suggestions = {}
    if row.suggested:
        suggestions["label"] = {
            "value": row.suggested, "score": row.p_suggested, "agent": "turnover"
        }  # fmt: skip
    return {
        # Not the source's id: Argilla overwrites records of the same id, and ids may repeat.
        "id": row.key,
        "fields": field,
        "metadata": {"key": row.key, "source_id": row.id, "given": row.given, **people},
        "suggestions": suggestions,
        "responses": _responses(row),
        "vectors": {},
    }


def _responses(row: Row) -> dict[str, list[dict[str, str]]]:
    answers: dict[str, list[dict[str, str]]] = {"label": [], "note": []}
    for event in row.decided:
        values = {"label": label_of(event.decision, row.given), "note": event.decision.note}
        for question, value in values.items():
            if value:
                answer = {"value": value, "user_id": _user(event.reviewer), "status": "submitted"}
                answers[question].append(answer)
    return {question: found for question, found in answers.items() if found}


def _user(reviewer: str) -> str:
    name = reviewer.removeprefix(_PREFIX)
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid5(_NAMES, reviewer))


def read(path: Path, options: ReadOptions) -> list[Line]:
    """Responses of an export; discarded ones count as "unsure", drafts do not count.

    Raises:
        DataError: the file is not a list of records.
    """
    lines = []
    for number, record in enumerate(read_list(path, "Argilla"), start=1):
        metadata, responses = _dict(record.get("metadata")), _dict(record.get("responses"))
        row = (plain(metadata.get("key") or record.get("id")), plain(metadata.get("source_id")))
        notes = {
            plain(one.get("user_id")): plain(one.get("value"))
            for one in _dicts(responses.get("note"))
        }
        for one in _dicts(responses.get("label")):
            if one.get("status") == "draft":
                continue
            user = plain(one.get("user_id"))
            label = UNSURE if one.get("status") == "discarded" else plain(one.get("value"))
            who = plain(metadata.get(f"reviewer-{user}")) or (user and _PREFIX + user)
            lines.append(Line.labelled(f"record {number}", row, label, notes.get(user, ""), who))
    return lines


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
