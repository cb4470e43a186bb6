"""A CSV with some rows gone or relabelled, every other byte as it was, and the way back.

The source is walked record by record with the parser that imported it
(`data.readers.text.csv_format`), so row numbers agree; records that nothing happens to are copied,
a relabelled one changes in its label field only. Decoding and encoding by one strict codec is the
identity, and that is not taken on trust: what was read is encoded again and hashed on the way, and
must hash to the source's sha256.

Every difference is also noted as a patch, so the source can be rebuilt from the export and its
manifest alone.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from influence_core.data.readers.text.csv_format import CsvFormat, Record, read_records
from influence_core.disk.fingerprint import stream
from influence_core.errors import MismatchError, StoreError
from influence_core.progress import Progress, ProgressFn
from influence_core.store.exports.csv_fields import (
    escaped,
    field_spans,
    is_formula,
    spell_field,
)
from influence_core.store.exports.edits import Edit
from influence_core.store.exports.plan import ExportPlan
from influence_core.store.exports.way_back import Patch, Written, patches_to_json

# Records that nothing happens to are encoded, hashed and written together.
BATCH = 4096


def write_csv(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited file to `out`, which the caller makes visible afterwards.

    Args:
        plan: the file as imported, its edits by data row (counted from 0 below the line of column
            names; blank lines do not count), and whether formulas are escaped.
        out: a temporary path.
        progress: hears of bytes done.

    Raises:
        MismatchError: the source is not the file that was imported, or a row's label is not the
            one that the edit speaks of.
        StoreError: a label cannot be written in this file, or an edit's row does not exist.
    """
    editor = _Editor(plan)
    total = plan.path.stat().st_size
    with out.open("wb") as file:
        writer = PatchWriter(file, plan.csv, lambda done: _tell(progress, done, total))
        if plan.csv.bom:
            writer.copy("\ufeff")
        for record in read_records(plan.path, plan.csv):
            new = editor.edited(record)
            if new == record.raw:
                writer.copy(new)
            else:
                writer.change(record.raw, new)
        writer.flush()
    editor.check_all_met()
    return writer.written(plan, editor.rows, _escaped_note(editor.escaped))


def _escaped_note(fields: int) -> tuple[str, ...]:
    if not fields:
        return ()
    return (
        f"{fields} fields got an apostrophe in front, so that no spreadsheet runs them as "
        "formulas: their text is changed. Reverting takes the apostrophes away.",
    )


class _Editor:
    """Numbers the records and applies the edits to each."""

    def __init__(self, plan: ExportPlan) -> None:
        self._plan = plan
        self.rows = 0
        self.escaped = 0
        # Of the data row; a line of column names is -1.
        self._number = -2 if plan.csv.header else -1
        self._met = 0

    def edited(self, record: Record) -> str:
        """The record's new raw text; "" if it goes."""
        if not record.fields:
            return record.raw
        self._number += 1
        edit = self._plan.edits.get(self._number)
        if edit is None:
            self.rows += self._number >= 0
            return self._rewritten(record, {})
        self._met += 1
        _check_label(record, self._plan, edit)
        if edit.new_label is None:
            return ""
        self.rows += 1
        return self._rewritten(record, {self._plan.column: edit.new_label})

    def check_all_met(self) -> None:
        """Refuse if an edit's row lies beyond the end of the file."""
        if self._met < len(self._plan.edits):
            row = max(self._plan.edits)
            raise StoreError(
                f"There is a decision on row {row + 1}, but the source has {self._number + 1} "
                "rows; import the data again."
            )

    def _rewritten(self, record: Record, values: Mapping[int, str]) -> str:
        """The raw text with these values put in, and formulas escaped if the options say so."""
        fields = {i: values.get(i, value) for i, value in enumerate(record.fields)}
        risky = self._plan.options.spreadsheet_safe and any(map(is_formula, fields.values()))
        if not values and not risky:
            return record.raw
        form = self._plan.csv
        parts, done = [], 0
        for i, (start, end) in enumerate(field_spans(record.raw, form)):
            field = record.raw[start:end]
            unsafe = risky and is_formula(fields[i])
            if i in values or unsafe:
                value = escaped(fields[i]) if unsafe else fields[i]
                field = spell_field(value, field, form, alone=len(fields) == 1)
                self.escaped += unsafe
            parts += [record.raw[done:start], field]
            done = end
        return "".join([*parts, record.raw[done:]])


class PatchWriter:
    """Writes and hashes both sides, and notes where they differ."""

    def __init__(self, file: BinaryIO, form: CsvFormat, tell: Callable[[int], None]) -> None:
        self.read = stream()
        self.patches: list[Patch] = []
        self._file, self._form, self._tell = file, form, tell
        self._waiting: list[str] = []
        self._at = 0
        self._done = 0

    def copy(self, raw: str) -> None:
        """Write text that both sides share."""
        self._waiting.append(raw)
        if len(self._waiting) >= BATCH:
            self.flush()

    def change(self, old: str, new: str) -> None:
        """Write `new` where the source has `old`; only what differs goes into the patch."""
        self.flush()
        head = _shared(old, new)
        tail = _shared(old[head:][::-1], new[head:][::-1])
        before, after = old[head : len(old) - tail], new[head : len(new) - tail]
        self._put(old[:head])
        original, written = self._encoded(before), self._encoded(after)
        self.patches.append(Patch(self._at, len(written), original))
        self._write(original, written)
        self._put(old[len(old) - tail :])

    def flush(self) -> None:
        """Write what is waiting."""
        self._put("".join(self._waiting))
        self._waiting.clear()
        self._tell(self._done)

    def written(self, plan: ExportPlan, rows: int, notes: tuple[str, ...] = ()) -> Written:
        """What the manifest must know.

        Raises:
            MismatchError: what was read is not what was imported.
        """
        if self.read.hexdigest() != plan.sha256:
            raise MismatchError(
                f"{plan.path} changed while it was exported, or its text does not survive the "
                f"encoding {plan.csv.encoding}; nothing was written. Import it again."
            )
        target = {"name": plan.path.name, "sha256": plan.sha256}
        revert = {"kind": "patches", **target, "patches": patches_to_json(self.patches)}
        return Written(rows, revert, notes)

    def _put(self, text: str) -> None:
        data = self._encoded(text)
        self._write(data, data)

    def _write(self, original: bytes, written: bytes) -> None:
        self.read.update(original)
        self._file.write(written)
        self._at += len(written)
        self._done += len(original)

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self._form.encoding)
        except UnicodeEncodeError as error:
            raise StoreError(
                f"{text[error.start : error.end]!r} cannot be written in the source's encoding "
                f"{self._form.encoding}; choose another label, or export as Parquet."
            ) from error


def _check_label(record: Record, plan: ExportPlan, edit: Edit) -> None:
    found = record.fields[plan.column] if plan.column < len(record.fields) else None
    if edit.old_label is not None and plan.joined.get(found or "", found) != edit.old_label:
        raise MismatchError(
            f"Line {record.line} of the source should have the label {edit.old_label!r} (id "
            f"{edit.id!r}), but has {found!r}; import the data again."
        )
    if found is None and edit.new_label is not None:
        raise StoreError(
            f"Line {record.line} of the source has no label field to change (id {edit.id!r}); "
            "fix the line, or remove the row instead."
        )


def _shared(a: str, b: str) -> int:
    """Length of the common beginning."""
    limit = min(len(a), len(b))
    return next((i for i in range(limit) if a[i] != b[i]), limit)


def _tell(progress: ProgressFn | None, done: int, total: int) -> None:
    if progress is not None:
        progress(Progress("export", done, total))
