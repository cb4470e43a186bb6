"""Reads Excel workbooks by openpyxl: one sheet, or sheets named like splits.

The first line below titles names the columns; empty lines are no rows. Of formulas the stored
results are read; one without a result is refused by name. A workbook is a ZIP, and what it would
unfold to is looked at before anything is. The reader and the export share `cut_sheet`.
"""

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from influence_core.data.budget import MOST_COLUMNS, refuse_columns, refuse_growth, short_list
from influence_core.data.options import ReadOptions
from influence_core.data.readers.text.header import MOST_TITLES, names_columns, titles_above
from influence_core.data.readers.values import to_table
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.data.splitting import known_split
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError, one_line

SUFFIXES = (".xlsx", ".xlsm")
MOST_ROWS = 1 << 20  # of a sheet, by its format
Row = tuple[int, tuple[Any, ...]]  # number of the line in the sheet, from 1; its values


def read_excel(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one workbook.

    Args:
        source: path.
        options: may name the sheet.
        limit: most rows wanted of each split, None for all.

    Raises:
        DataError: it is damaged or empty, has no such sheet, or a formula has no result.
    """
    path = Path(source)
    digest = of_file(path) if limit is None else ""
    with workbook(path) as book:
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        filled = [s for s in sheets if len(list(islice(sheet_rows(s, path), 2))) == 2]
        if not filled:
            raise DataError(
                f"{path.name} has no sheet with a line of column names and rows below it."
            )
        splits = [known_split(sheet.title) for sheet in filled]
        if options.sheet or None in splits or len(set(splits)) < len(splits):
            filled, splits = [_one_sheet(filled, path, options.sheet)], [None]
        over = [s.title for s in book.worksheets if s not in filled]
        told = (
            f"Sheet {filled[0].title!r} of {path.name} is read, and others are passed over: "
            f"{short_list(over)}; --sheet names another.",
        ) * bool(over)
        raws = [
            _read_sheet(path, sheet, split, digest, limit)
            for sheet, split in zip(filled, splits, strict=True)
        ]
        return [replace(raws[0], told=(*told, *raws[0].told)), *raws[1:]]


@contextmanager
def workbook(path: Path, *, read_only: bool = True, values: bool = True) -> Iterator[Any]:
    """The workbook by openpyxl, with the results of formulas, or with their texts.

    Raises:
        DataError: it is damaged, or would unfold to too much.
    """
    import openpyxl

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it leaves aside, which is no data
            with zipfile.ZipFile(file) as packed:
                unfolded = sum(entry.file_size for entry in packed.infolist())
            refuse_growth(unfolded, path.stat().st_size, path.name)
            book = openpyxl.load_workbook(
                file,
                read_only=read_only,
                data_only=values,
                keep_links=False,
                keep_vba=not read_only and path.suffix.lower() == ".xlsm",
            )
            try:
                yield book
            finally:
                book.close()
    except (DataError, MemoryError):
        raise
    except Exception as error:  # A damaged workbook surfaces as almost anything.
        raise DataError(
            f"{path.name} cannot be read as an Excel workbook ({one_line(error)}); save it again "
            "as .xlsx."
        ) from error


def sheet_rows(sheet: Any, path: Path) -> Iterator[Row]:
    """The lines of a sheet that are not empty.

    Raises:
        DataError: it has more lines or columns than can be.
    """
    if hasattr(sheet, "reset_dimensions"):
        sheet.reset_dimensions()  # what a file says of its size is not believed
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > MOST_ROWS or len(values) > MOST_COLUMNS:
            raise DataError(
                f"Sheet {sheet.title!r} of {path.name} has more than {MOST_ROWS:,} lines or "
                f"{MOST_COLUMNS:,} columns; remove what is not needed."
            )
        if any(value is not None for value in values):
            yield number, values


def cut_sheet(sheet: Any, path: Path, above: int | None = None) -> tuple[Row, Iterator[Row]]:
    """The line of column names, and those below it; titles above are no rows.

    Args:
        sheet: of the workbook at `path`.
        above: lines above the names, as the import found it; None to find out.

    Raises:
        DataError: as `sheet_rows`.
    """
    lines = sheet_rows(sheet, path)
    if above is not None:
        below = (row for row in lines if row[0] > above)
        return next(below), below
    first = list(islice(lines, MOST_TITLES))
    texts = [["" if v is None else str(v) for v in values] for _, values in first]
    width = max(map(len, texts))
    names = titles_above([[*row, *[""] * (width - len(row))] for row in texts], width)
    return first[names], chain(first[names + 1 :], lines)


def _one_sheet(filled: Sequence[Any], path: Path, title: str | None) -> Any:
    """The sheet of this title; without one the first with usual names of columns, or the first."""
    if title is None:
        headers = (cut_sheet(sheet, path)[0][1] for sheet in filled)
        usual = (names_columns([str(v) for v in h if v is not None]) for h in headers)
        return next((s for s, named in zip(filled, usual, strict=True) if named), filled[0])
    found = next((sheet for sheet in filled if sheet.title == title), None)
    if found is None:
        raise DataError(
            f"{path.name} has no sheet {title!r} with rows in it (--sheet); it has "
            f"{short_list([sheet.title for sheet in filled])}."
        )
    return found


def column_names(header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> dict[int, str]:
    """Names by position; a column with neither a name nor a value is only formatted, and none."""
    filled = {i for row in rows for i, value in enumerate(row) if value is not None}
    filled |= {i for i, name in enumerate(header) if name is not None}
    named = dict(enumerate(header))
    return {i: f"column_{i + 1}" if named.get(i) is None else str(named[i]) for i in sorted(filled)}


def read_sheet_as(file: SourceFile) -> RawTable:
    """A sheet as it was read at the import, whatever would be found in the workbook today.

    Raises:
        DataError: it cannot be read any more.
    """
    path = Path(file.path)
    with workbook(path) as book:
        return _read_sheet(path, book[file.sheet], None, file.sha256, None, file.above)


def _read_sheet(
    path: Path,
    sheet: Any,
    split: str | None,
    digest: str,
    limit: int | None,
    above: int | None = None,
) -> RawTable:
    (line, header), found = cut_sheet(sheet, path, above)
    rows = list(islice(found, limit))
    names = column_names(header, [values for _, values in rows])
    refuse_columns(list(names.values()), path.name)
    lines = [number for number, _ in rows]
    values = [{name: v[i] if i < len(v) else None for i, name in names.items()} for _, v in rows]
    if any(value is None for row in values for value in row.values()):
        _refuse_formulas(path, sheet.title, lines[-1])
    place = f"sheet {sheet.title!r} of {path.name}"
    told = (f"What stands above line {line} of {place} is no row.",) * (line > 1)
    file = SourceFile(
        "xlsx", str(path.resolve()), digest, rows=len(rows), sheet=sheet.title, above=line - 1
    )
    return RawTable(
        split=split,
        table=to_table(values, path.name),
        file=file,
        told=told,
        place=lambda i: f"line {lines[i]} of {place}",
        rows=np.arange(len(rows), dtype=np.int64),
        image_root=path.parent,
    )


def _refuse_formulas(path: Path, title: str, last: int) -> None:
    """Programs other than Excel may write a formula without its result, which reads as nothing."""
    with workbook(path) as results, workbook(path, values=False) as texts:
        both = [book[title] for book in (results, texts)]
        for sheet in both:
            sheet.reset_dimensions()
        pairs = zip(*(sheet.iter_rows(values_only=True) for sheet in both), strict=False)
        for line, (values, formulas) in enumerate(islice(pairs, last), 1):
            for value, formula in zip(values, formulas, strict=False):
                if value is None and formula is not None:
                    raise DataError(
                        f"Line {line} of sheet {title!r} of {path.name} has the formula "
                        f"{str(formula)[:60]!r} without a result; open and save it in Excel, or "
                        "put the value in its place."
                    )
