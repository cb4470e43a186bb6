"""JSON, fastText and workbooks with some records gone or relabelled; one value of each changes.

What is text is copied where nothing happens to it, and every difference is a patch, as in a CSV. A
workbook is written again by openpyxl, cell by cell as it was; its way back is a copy.
"""

import json
import re
from pathlib import Path
from typing import Any

from influence_core.data.readers.excel_file import column_names, cut_sheet, workbook
from influence_core.data.readers.json_columns import members
from influence_core.data.readers.json_file import Piece, read_pieces
from influence_core.data.readers.text.fasttext import label_of_line, lines_of, with_label
from influence_core.data.readers.values import label_of, like
from influence_core.errors import MismatchError, StoreError
from influence_core.progress import Progress, ProgressFn
from influence_core.store.exports.arrow import check_reach, with_original
from influence_core.store.exports.csv_bytes import PatchWriter
from influence_core.store.exports.edits import Edit
from influence_core.store.exports.plan import ExportPlan
from influence_core.store.exports.way_back import Written

REWRITTEN = (
    "The workbook was written again: all cells are kept, but not what else it held, such as charts."
)
_COMMA = re.compile(r"^(\s*),")
FORMULAS = "Formulas became the values that they had."


def write_json(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited file.

    Raises:
        MismatchError: the source is not the file that was imported, or a record has another label
            than its edit says.
        StoreError: a label cannot be written.
    """
    total, last, first = plan.path.stat().st_size, -1, True

    def tell(done: int) -> None:
        if progress is not None:
            progress(Progress("export", done, total))

    with out.open("wb") as file:
        writer = PatchWriter(file, plan.csv, tell)
        if plan.csv.bom:
            writer.copy("\ufeff")
        for piece in read_pieces(plan.path, plan.csv.encoding, plan.csv.bom):
            last = max(last, piece.row)
            edit = plan.edits.get(piece.row)
            new = piece.raw if edit is None else _edited(piece, edit, plan)
            if piece.row < 0:
                first = True
            elif new:
                if first:  # The first that is left of a list has no comma before it.
                    new = _COMMA.sub(r"\1", new, count=1)
                first = False
            if new == piece.raw:
                writer.copy(new)
            else:
                writer.change(piece.raw, new)
        writer.flush()
    check_reach(plan.edits, last + 1)
    gone = sum(edit.new_label is None for edit in plan.edits.values())
    return writer.written(plan, last + 1 - gone)


def _edited(piece: Piece, edit: Edit, plan: ExportPlan) -> str:
    """The piece with its new label; "" if it goes."""
    cell = piece.cell is not None
    if not cell and isinstance(piece.value, str):
        raise MismatchError(f"Line {piece.line} of the source is no record; import it again.")
    if not cell or piece.cell == plan.label:
        old = piece.value if cell else piece.value.get(plan.label)
        _check_label(f"Line {piece.line}", old, edit, plan)
    if edit.new_label is None:
        return ""
    if cell:
        places = [("", piece.start, len(piece.raw), piece.value)] * (piece.cell == plan.label)
        if not places:
            return piece.raw
    else:
        found = list(members(piece.raw, piece.start))
        if piece.raw[piece.start] == "[":  # in the order of the columns
            found = [(name, *m[1:]) for name, m in zip(piece.value, found, strict=True)]
        places = [member for member in found if member[0] == plan.label]
    if not places:
        raise StoreError(f"Line {piece.line} of the source has no label to change; add one there.")
    _, start, end, old = places[-1]
    value = json.dumps(like(edit.new_label, old), ensure_ascii=piece.raw.isascii())
    return piece.raw[:start] + value + piece.raw[end:]


def write_fasttext(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited lines; errors as `write_json`."""
    del progress  # the files are small
    row, rows = -1, 0
    with out.open("wb") as file:
        writer = PatchWriter(file, plan.csv, lambda done: None)
        if plan.csv.bom:
            writer.copy("\ufeff")
        for number, line in enumerate(lines_of(plan.path, plan.csv.encoding, plan.csv.bom), 1):
            row += bool(line.strip())
            edit = plan.edits.get(row) if line.strip() else None
            if edit is None:
                writer.copy(line)
                rows += bool(line.strip())
                continue
            _check_label(f"Line {number}", label_of_line(line), edit, plan)
            label = edit.new_label
            if label is not None and (not label_of_line(line) or re.search(r"\s", label)):
                raise StoreError(
                    f"Line {number} of the source cannot take the label {label!r}: fastText needs "
                    "one there, without blanks; choose another, or export as CSV."
                )
            writer.change(line, "" if label is None else with_label(line, label))
            rows += label is not None
        writer.flush()
    check_reach(plan.edits, row + 1)
    return writer.written(plan, rows)


def write_excel(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited workbook.

    Raises:
        DataError: it cannot be read any more.
        MismatchError: a line has another label than its edit says.
    """
    del progress  # the library writes in one go
    title = str(plan.inner)
    with workbook(plan.path, values=False) as book:
        formulas = any(
            cell.data_type == "f" for sheet in book for row in sheet.iter_rows() for cell in row
        )
    with workbook(plan.path, read_only=False) as book:
        sheet = book[title]
        (_, header), rows = cut_sheet(sheet, plan.path, plan.csv.above)
        lines = list(rows)
        check_reach(plan.edits, len(lines))
        names = column_names(header, [values for _, values in lines])
        column = next(i for i, name in names.items() if name == plan.label)
        gone = []
        for row, edit in plan.edits.items():
            line = lines[row][0]
            cell = sheet.cell(line, column + 1)
            _check_label(f"Line {line}", cell.value, edit, plan)
            if edit.new_label is None:
                gone.append(line)
                continue
            cell.value = like(edit.new_label, cell.value)
            if isinstance(cell.value, str):
                cell.data_type = "s"  # also if it looks like a formula
        _close_up(sheet, gone)
        book.save(out)
    notes = (REWRITTEN, *([FORMULAS] if formulas else []))
    return with_original(plan, len(lines) - len(gone), notes)


def _close_up(sheet: Any, gone: list[int]) -> None:
    """Take lines out of a sheet, those below moving up; once over the cells, not once a line."""
    last, width = sheet.max_row, sheet.max_column
    for line in gone:
        for cell in sheet[line]:
            cell.value = None
    for shift, (line, following) in enumerate(zip(gone, [*gone[1:], last + 1], strict=True), 1):
        if following > line + 1:
            end = sheet.cell(following - 1, width).coordinate
            sheet.move_range(f"A{line + 1}:{end}", rows=-shift)
    if gone:
        sheet.delete_rows(last - len(gone) + 1, len(gone))


def _check_label(place: str, value: Any, edit: Edit, plan: ExportPlan) -> None:
    found = label_of(value)
    found = plan.joined.get(found or "", found)
    if found != edit.old_label and not (edit.old_label is None and not (found or "").strip()):
        raise MismatchError(
            f"{place} of the source should have the label {edit.old_label!r} (id {edit.id!r}), "
            f"but has {found!r}; import the data again."
        )
