"""A CSV with some rows gone or relabelled, every other byte as it was, and the way back.

The source is walked record by record with the parser that imported it (`data.csv_format`), so row
numbers agree; records that nothing happens to are copied, a relabelled one changes in its label
field only. Decoding and encoding by one strict codec is the identity, and that is not taken on
trust: what was read is encoded again and hashed on the way, and must hash to the source's sha256.

Every difference is also noted as a `Patch` (place and length in the export, bytes of the source),
so the source can be rebuilt from the export and its manifest alone. Memory grows with the number
of patches, not with the file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from influence_core.data.readers.csv_format import CsvFormat, Record, read_records
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import stream
from influence_core.errors import MismatchError, StoreError
from influence_core.progress import Progress, ProgressFn
from influence_core.store.exports.csv_fields import defuse, field_spans, is_formula, spell_field
from influence_core.store.exports.edits import Edit

# Records that nothing happens to are encoded, hashed and written together.
BATCH = 4096
COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Patch:
    """One difference: `length` bytes of the export at `at` stand for the source's `original`."""

    at: int
    length: int
    original: bytes


@dataclass(frozen=True)
class CsvRules:
    """What to do with the records.

    Attributes:
        form: how the file is cut.
        column: position of the label column.
        edits: by data row, counted from 0 below the line of column names; blank lines do not count.
        spreadsheet_safe: put an apostrophe before what a spreadsheet would run.
    """

    form: CsvFormat
    column: int
    edits: Mapping[int, Edit]
    spreadsheet_safe: bool = False


@dataclass(frozen=True)
class CsvResult:
    """What was written: sha256 hex, data rows left, fields defused, and the way back."""

    sha256: str
    rows: int
    defused: int
    patches: tuple[Patch, ...]


def csv_format(file: SourceFile) -> CsvFormat:
    """How this source was read.

    Raises:
        StoreError: the record of the source does not say.
    """
    if file.encoding is None or file.delimiter is None or file.quoting is None:
        raise StoreError(f"It is not known how {file.path} is written; import the data again.")
    return CsvFormat(file.encoding, file.bom, file.delimiter, file.quoting)


def write_edited_csv(
    source: Path, sha256: str, rules: CsvRules, out: Path, progress: ProgressFn | None = None
) -> CsvResult:
    """Write the edited file to `out`, which the caller makes visible afterwards.

    Args:
        source: the file as imported.
        sha256: hash of its bytes at import.
        rules: what to change.
        out: a temporary path.
        progress: hears of bytes done.

    Raises:
        MismatchError: the source is not the file that was imported, or a row's label is not the
            one that the edit speaks of.
        StoreError: a label cannot be written in this file, or an edit's row does not exist.
    """
    editor = _Editor(rules)
    total = source.stat().st_size
    with out.open("wb") as file:
        writer = _Writer(file, rules.form, lambda done: _tell(progress, done, total))
        if rules.form.bom:
            writer.copy("\ufeff")
        for record in read_records(source, rules.form):
            new = editor.edited(record)
            if new == record.raw:
                writer.copy(new)
            else:
                writer.change(record.raw, new)
        writer.flush()
    if writer.read.hexdigest() != sha256:
        raise MismatchError(
            f"{source} changed while it was exported, or its text does not survive the encoding "
            f"{rules.form.encoding}; nothing was written. Import it again."
        )
    editor.check_all_met()
    return CsvResult(writer.written.hexdigest(), editor.rows, editor.defused, tuple(writer.patches))


def unpatched(
    export: BinaryIO, patches: Iterable[Patch], hear: Callable[[bytes], None]
) -> Iterator[bytes]:
    """The source's bytes, piece by piece.

    Args:
        export: the exported file, from its start.
        patches: in ascending order of `at`.
        hear: is given every byte of the export, for its hash.

    Raises:
        MismatchError: the export ends before a patch does.
    """
    position = 0
    for patch in patches:
        while position < patch.at:
            piece = export.read(min(COPY_BYTES, patch.at - position))
            hear(piece)
            position += len(piece)
            if not piece:
                raise MismatchError("The export is shorter than its manifest says; it was edited.")
            yield piece
        hear(export.read(patch.length))
        position += patch.length
        yield patch.original
    while piece := export.read(COPY_BYTES):
        hear(piece)
        yield piece


class _Editor:
    """Numbers the records and applies the rules to each."""

    def __init__(self, rules: CsvRules) -> None:
        self.rules = rules
        self.rows = 0
        self.defused = 0
        self._number = -2  # of the data row; the line of column names is -1
        self._met = 0

    def edited(self, record: Record) -> str:
        """The record's new raw text; "" if it goes."""
        if not record.fields:
            return record.raw
        self._number += 1
        edit = self.rules.edits.get(self._number)
        if edit is None:
            self.rows += self._number >= 0
            return self._rewritten(record, {})
        self._met += 1
        _check_label(record, self.rules.column, edit)
        if edit.new_label is None:
            return ""
        self.rows += 1
        return self._rewritten(record, {self.rules.column: edit.new_label})

    def check_all_met(self) -> None:
        """Refuse if an edit's row lies beyond the end of the file."""
        if self._met < len(self.rules.edits):
            row = max(self.rules.edits)
            raise StoreError(
                f"There is a decision on row {row + 1}, but the source has {self._number + 1} "
                "rows; import the data again."
            )

    def _rewritten(self, record: Record, values: Mapping[int, str]) -> str:
        """The raw text with these values put in, and formulas defused if asked for."""
        fields = {i: values.get(i, value) for i, value in enumerate(record.fields)}
        risky = self.rules.spreadsheet_safe and any(map(is_formula, fields.values()))
        if not values and not risky:
            return record.raw
        form = self.rules.form
        parts, done = [], 0
        for i, (start, end) in enumerate(field_spans(record.raw, form)):
            field = record.raw[start:end]
            if i in values:
                field = spell_field(values[i], field, form, alone=len(fields) == 1)
            if risky and is_formula(fields[i]):
                field = defuse(field, form)
                self.defused += 1
            parts += [record.raw[done:start], field]
            done = end
        return "".join([*parts, record.raw[done:]])


class _Writer:
    """Writes and hashes both sides, and notes where they differ."""

    def __init__(self, file: BinaryIO, form: CsvFormat, tell: Callable[[int], None]) -> None:
        self.read = stream()
        self.written = stream()
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

    def _put(self, text: str) -> None:
        data = self._encoded(text)
        self._write(data, data)

    def _write(self, original: bytes, written: bytes) -> None:
        self.read.update(original)
        self.written.update(written)
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


def _check_label(record: Record, index: int, edit: Edit) -> None:
    found = record.fields[index] if index < len(record.fields) else None
    if edit.old_label is not None and found != edit.old_label:
        raise MismatchError(
            f"Line {record.line} of the source should have the label {edit.old_label!r} (id "
            f"{edit.id!r}), but has {found!r}; import the data again."
        )
    if found is None and edit.new_label is not None:
        raise StoreError(
            f"Line {record.line} of the source has no label field to change (id {edit.id!r}); "
            "mend the line, or remove the row instead."
        )


def _shared(a: str, b: str) -> int:
    """Length of the common beginning."""
    limit = min(len(a), len(b))
    return next((i for i in range(limit) if a[i] != b[i]), limit)


def _tell(progress: ProgressFn | None, done: int, total: int) -> None:
    if progress is not None:
        progress(Progress("export", done, total))
