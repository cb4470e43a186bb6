"""Label Studio's JSON tasks: import them there, label, export as JSON, bring the decisions back.

Source of the format: labelstud.io/guide/task_format and labelstud.io/guide/predictions. Tasks carry
the sentence, or the picture as a data URI; the suggestion as a prediction; decisions as
annotations. Label Studio refuses annotations of people whom it does not know, so a decision made
here names its reviewer in a text box instead of `completed_by`, and who imports the file counts
as the annotator there. `labelling_config` has that box and all the others.
"""

import base64
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from influence_core.data.images import open_image
from influence_core.data.options import ReadOptions
from influence_core.errors import DataError
from influence_core.store.reviews.events import Event
from influence_core.workflow.exchange.formats import (
    EXCLUDE,
    UNSURE,
    Line,
    Row,
    label_of,
    plain,
    read_list,
)

_MAGIC = {b"\x89PNG": "png", b"\xff\xd8": "jpeg", b"RIFF": "webp", b"GIF8": "gif", b"BM": "bmp"}


def labelling_config(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """The project's labelling configuration in Label Studio, XML."""
    name = _content_name(rows[0]) if rows else "text"
    tag = name.capitalize()
    options = "".join(f"    <Choice value={quoteattr(c)}/>\n" for c in [*classes, EXCLUDE, UNSURE])
    return (
        f'<View>\n  <{tag} name="{name}" value="${name}"/>\n'
        f'  <Choices name="label" toName="{name}" choice="single">\n{options}  </Choices>\n'
        f'  <TextArea name="note" toName="{name}" placeholder="Note"/>\n'
        f'  <TextArea name="reviewer" toName="{name}" placeholder="Decided in Turnover by"/>\n'
        "</View>\n"
    )


def write(rows: Sequence[Row], classes: Sequence[str]) -> bytes:
    """Tasks as JSON; undecided rows are tasks to be labelled, rows that are gone are left out."""
    tasks = [_task(row) for row in rows if row.text is not None or row.picture is not None]
    return json.dumps(tasks, ensure_ascii=False, indent=1).encode("utf-8")


def _content_name(row: Row) -> str:
    return "image" if row.picture is not None else "text"


def _task(row: Row) -> dict[str, Any]:
    name = _content_name(row)
    content = row.text if row.picture is None else data_uri(row.picture)
    task: dict[str, Any] = {
        "data": {name: content, "key": row.key, "id": row.id, "given": row.given},
        "annotations": [_annotation(row, event, name) for event in row.decided],
    }
    if row.suggested:
        result = [_result("label", name, "choices", {"choices": [row.suggested]})]
        task["predictions"] = [
            {"model_version": "turnover", "score": row.p_suggested, "result": result}
        ]
    return task


def _annotation(row: Row, event: Event, name: str) -> dict[str, Any]:
    chosen = label_of(event.decision, row.given)
    result = [
        _result("label", name, "choices", {"choices": [chosen]}),
        _result("reviewer", name, "textarea", {"text": [event.reviewer]}),
    ]
    if event.decision.note:
        result.append(_result("note", name, "textarea", {"text": [event.decision.note]}))
    return {"result": result, "created_at": event.time}


def _result(box: str, name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": box, "to_name": name, "type": kind, "value": value}


def data_uri(picture: bytes) -> str:
    """A picture as text for the address of an image; what no browser shows is written as PNG."""
    kind = next((k for magic, k in _MAGIC.items() if picture.startswith(magic)), None)
    if kind is None:
        out = io.BytesIO()
        with suppress(DataError):  # a broken one goes as it is
            open_image(picture).save(out, "PNG")
            picture = out.getvalue()
    return f"data:image/{kind or 'png'};base64,{base64.b64encode(picture).decode('ascii')}"


def read(path: Path, options: ReadOptions) -> list[Line]:
    """Annotations of an export in JSON; skipped tasks count as "unsure".

    Raises:
        DataError: the file is not a list of tasks.
    """
    lines = []
    for number, task in enumerate(read_list(path, "Label Studio"), start=1):
        data = task.get("data")
        data = data if isinstance(data, dict) else {}
        row = (plain(data.get("key")), plain(data.get("id")))
        annotations = task.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else []:
            if isinstance(annotation, dict):
                lines.append(_line(f"task {number}", row, annotation))
    return lines


def _line(place: str, row: tuple[str, str], annotation: dict[str, Any]) -> Line:
    chosen: list[str] = []
    notes: list[str] = []
    reviewers: list[str] = []
    results = annotation.get("result")
    for result in results if isinstance(results, list) else []:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict):
            chosen += _texts(value.get("choices"))
            box = reviewers if result.get("from_name") == "reviewer" else notes
            box += _texts(value.get("text"))
    cancelled = bool(annotation.get("was_cancelled"))
    label = UNSURE if cancelled else chosen[0] if chosen else ""
    who = reviewers[0] if reviewers else _annotator(annotation.get("completed_by"))
    line = Line.labelled(place, row, label, "\n".join(notes), who.strip())
    several = list(dict.fromkeys(chosen))
    if cancelled or len(several) < 2:
        return line
    return replace(line, problem=f"it has several labels, {', '.join(several)}; keep one of them")


def _annotator(value: Any) -> str:
    """Label Studio names people by a number, or by an object with their address."""
    if isinstance(value, dict):
        return plain(value.get("email") or value.get("id"))
    return "" if value is None else f"label-studio {value}"


def _texts(value: Any) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, str)]
