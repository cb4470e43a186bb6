"""How a CSV is written: encoding, delimiter, quotes, lines above, by evidence in its beginning.

The plain form - '"' around fields, doubled within - is taken unless another reads the sample better
and leaves its own traces there: `\\"`, a blank before a quote, fields in apostrophes. What the user
says is taken as it is. `csv_file` and the reading of decisions call `detect_format`.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from influence_core.data.readers.text.csv_format import CsvFormat, Parser
from influence_core.data.readers.text.encodings import detect_encoding, no_text
from influence_core.data.readers.text.header import names_columns, reads_like_a_row, titles_above
from influence_core.data.source import Quoting
from influence_core.errors import DataError

DELIMITERS = (",", "\t", ";", "|")
SAMPLE_CHARACTERS = 500_000
NEARLY_ALL = 0.95
_SEP = re.compile(r"""("?)sep=([^\w\r\n"'\\#])\1[\r\n]*""", re.IGNORECASE)


@dataclass(frozen=True)
class _Fit:
    """How a sample falls into records by a form.

    Attributes:
        form: that form.
        rows: fields of the records, blank lines left out; `lines` where they begin.
        broken: whether quotes do not work out.
        width: the usual number of fields; `share` of the records that have it.
    """

    form: CsvFormat
    rows: list[list[str]]
    lines: list[int]
    broken: bool
    width: int
    share: float

    @property
    def order(self) -> tuple[float, int]:
        """Larger is better, between delimiters."""
        return (0.0, 0) if self.width < 2 else (self.share - 0.5 * self.broken, self.width)


def detect_format(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    quoting: Quoting | None = None,
    header: bool | None = None,
) -> CsvFormat:
    """Find out how a file is written; what is given is taken as it is.

    Raises:
        DataError: the file is empty or unreadable, or no encoding is sure, or it does not fit the
            one that was given.
    """
    try:
        codec, bom = detect_encoding(path, encoding)
        with path.open(encoding=codec, newline="") as file:
            sample = file.read(SAMPLE_CHARACTERS)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    sample = sample.removeprefix("\ufeff") if bom else sample
    if not sample.strip():
        raise DataError(f"{path.name} is empty; it needs a line of column names and rows below it.")
    if "\0" in sample:
        raise no_text(path.name, sample)
    above, told = _lines_above(sample)
    plain = CsvFormat(codec, bom, delimiter or told or ",", header=header is not False, above=above)
    one = (plain.delimiter,) if delimiter or told else DELIMITERS
    fits = (_best_quoting(sample, replace(plain, delimiter=d), quoting) for d in one)
    return _without_titles(sample, max(fits, key=lambda fit: fit.order), header)


def lacks_names(path: Path, form: CsvFormat) -> bool:
    """Whether the first record reads like the rows below it, and not like names of columns."""
    with path.open(encoding=form.encoding, newline="") as file:
        sample = file.read(SAMPLE_CHARACTERS // 8).removeprefix("\ufeff" if form.bom else "")
    return reads_like_a_row(_fit(sample, form).rows)


def _lines_above(sample: str) -> tuple[int, str | None]:
    """Lines before the records - Excel's `sep=;`, comments - and the delimiter that is told."""
    lines = list(io.StringIO(sample[:SAMPLE_CHARACTERS], newline=""))
    told = _SEP.fullmatch(lines[0])
    above = int(told is not None)
    for number, line in enumerate(lines[above:], start=above + 1):
        if line.strip() and not line.startswith("#"):
            return above, told and told[2]
        above = number if line.startswith("#") else above
    return int(told is not None), told and told[2]


def _without_titles(sample: str, fit: _Fit, header: bool | None) -> CsvFormat:
    """The form with titles passed over, and a comment taken for names if it holds them."""
    form, rows = fit.form, fit.rows
    if header is False or fit.width < 2:
        return form
    if form.above and not names_columns(rows[0]):
        last = _fit(sample, replace(form, above=form.above - 1)).rows[0]
        names = [last[0].lstrip("# "), *last[1:]]
        if len(names) == fit.width and (names_columns(names) or reads_like_a_row(rows)):
            return replace(form, above=form.above - 1)
    first = titles_above(rows, fit.width)
    return replace(form, above=fit.lines[first] - 1) if first else form


def _best_quoting(sample: str, plain: CsvFormat, quoting: Quoting | None) -> _Fit:
    best = _fit(sample, replace(plain, quoting=quoting or "double"))
    for form in _traced(sample, plain, quoting):
        if form.quoting == "none" and not best.broken:
            continue
        found = _fit(sample, form)
        if not found.broken and _beats(sample, found, best):
            best = found
    return best


def _traced(sample: str, plain: CsvFormat, quoting: Quoting | None) -> Iterator[CsvFormat]:
    """Other forms that have left a trace in the sample."""
    mark = re.escape(plain.delimiter)
    traces: dict[Quoting, str] = {
        "double": '"',
        "backslash": r'\\"',
        "single": rf"(?:^|{mark}) *'",
        "single-backslash": r"\\'",
        "none": '"',
        "none-backslash": rf"\\(?:{mark}|[\r\n])",
    }
    for name, trace in traces.items():
        if quoting not in (None, name) or not re.search(trace, sample, re.MULTILINE):
            continue
        form = replace(plain, quoting=name)
        yield form
        # What looks like a blank before a quote may end a quoted field: "a, ".
        if form.quote and re.search(f"{mark} +{form.quote}", _quoted(form).sub("", sample)):
            yield replace(form, skip_blanks=True)


def _quoted(form: CsvFormat) -> re.Pattern[str]:
    """A whole quoted field without blanks before it."""
    mark, quote = re.escape(form.delimiter), form.quote
    inner = rf"[^{quote}\\]|\\." if form.escapes else f"[^{quote}]|{quote}{quote}"
    blanks = " *" if form.skip_blanks else ""
    ends = rf"(?={mark}|[\r\n]|\Z)"
    return re.compile(rf"(?:^|(?<={mark})){blanks}{quote}((?:{inner})*+){quote}{ends}", re.M | re.S)


def _beats(sample: str, new: _Fit, old: _Fit) -> bool:
    """Whether another form is sure enough to take the place of the best so far."""
    name, before = new.form.quoting, old.form.quoting
    as_good = old.broken or new.share >= old.share
    if name == before:
        return as_good and new.form.skip_blanks
    if name.startswith("single"):
        return as_good and _in_apostrophes(sample, new)
    if name == "none":
        return old.broken and new.share >= NEARLY_ALL and not _mostly_quoted(new)
    if name == "none-backslash":
        return new.share >= NEARLY_ALL and (old.broken or new.share > old.share)
    if name == "double":
        return False
    # Python's reader lets quotes pass here that are neither escaped nor around a field.
    return as_good and not re.search(r'(?<!\\)"', _quoted(new.form).sub("", sample))


def _in_apostrophes(sample: str, fit: _Fit) -> bool:
    """Whether all apostrophes stand around fields, and it matters: around many, or needed there."""
    field = _quoted(fit.form)
    fields = field.findall(sample)
    needed = re.compile(rf"{re.escape(fit.form.delimiter)}|[\r\n']")
    many = 2 * len(fields) >= len(fit.rows)
    return "'" not in field.sub("", sample) and (many or any(map(needed.search, fields)))


def _mostly_quoted(fit: _Fit) -> bool:
    """Whether no more fields begin with a stray quote than are whole quoted ones."""
    begun = [field for row in fit.rows for field in row if field.startswith('"')]
    whole = [
        f for f in begun if len(f) > 1 and f[-1] == '"' and '"' not in f[1:-1].replace('""', "")
    ]
    return 2 * len(whole) >= len(begun)


def _fit(sample: str, form: CsvFormat) -> _Fit:
    lines = io.StringIO(sample, newline="")
    for _ in range(form.above):
        lines.readline()
    parser = Parser(lines, form)
    rows: list[list[str]] = []
    begins: list[int] = []
    read, broken = 0, False
    try:
        while (record := parser.next_record()) is not None:
            read += len(record.raw)
            if record.fields:
                rows.append(record.fields)
                begins.append(record.line)
    except csv.Error as error:
        # A sample may simply end inside a quoted field, if that did not begin long before.
        cut = "end of data" in str(error) and len(sample) >= SAMPLE_CHARACTERS
        broken = not cut or 2 * read < len(sample)
    width, most = max(Counter(map(len, rows)).items(), key=lambda item: item[1], default=(0, 0))
    return _Fit(form, rows, begins, broken, width, most / max(len(rows), 1))
