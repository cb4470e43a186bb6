"""CSV files as nobody should write them, for tests of exports."""

import codecs
from dataclasses import dataclass

from hypothesis import strategies as st

from influence_core.data.readers.text.csv_format import CsvFormat
from influence_core.data.source import QUOTINGS

ENCODINGS = ("utf-8", "utf-16-le", "utf-32-be", "cp1252", "latin-1", "gb18030", "cp932")
LABELS = ("pos", "neg", "so, so", '"qt', "0", "=1+1", "two\nlines")
_BOM = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
_NASTY = ["", " ", "007", "1e5", "NA", '"', '""', ",", ";", "\t", "\r", "\n", "\r\n", "'", "\\"]
_NASTY += ["=cmd()", "-1", "+", "@x", "a\nb", 'say "hi"', "é", "|"]
_WIDE = ["😀", "\u2028", "\x85", "ﬁ", "日本", "＝1", "\ufeff", "\x00"]


@dataclass(frozen=True)
class HostileCsv:
    """Bytes, how they are written, and where the label is."""

    data: bytes
    form: CsvFormat
    column: int


def _fits(text: str, encoding: str) -> bool:
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeError:
        return False


@st.composite
def _field(draw, form: CsvFormat, alone: bool, label: bool) -> str:
    """Raw text of one field."""
    pieces = LABELS if label else [*_NASTY, *_WIDE, "word", "b"]
    most = 1 if label else 3
    value = "".join(draw(st.lists(st.sampled_from(pieces), min_size=min(most, 1), max_size=most)))
    value = value if _fits(value, form.encoding) else "plain"
    quote, mark = form.quote, form.delimiter
    breaks = any(c in value for c in (mark, "\r", "\n")) or (alone and not value)
    if not quote and not form.escapes:
        return "plain" if breaks else value
    if not quote:
        value = "".join(f"\\{c}" if c in f"\\{mark}\r\n" else c for c in value)
        return "plain" if alone and not value else value
    blanks = form.skip_blanks and value.startswith(" ")
    if breaks or blanks or value.startswith(quote) or draw(st.booleans()):
        marks = f"\\{quote}" if form.escapes else ""
        escaped = "".join(f"\\{c}" if c in marks else c for c in value)
        return f"{quote}{escaped if marks else value.replace(quote, 2 * quote)}{quote}"
    return value.replace("\\", "\\\\") if form.escapes else value


@st.composite
def hostile_csvs(draw) -> HostileCsv:
    """A file of a line of names and up to eight rows, with blank lines in between."""
    encoding = draw(st.sampled_from(ENCODINGS))
    bom = encoding in _BOM and draw(st.booleans())
    quoting = draw(st.sampled_from(["double", *QUOTINGS]))
    skip = bool(QUOTINGS[quoting][0]) and draw(st.booleans())
    header, above = draw(st.booleans()), draw(st.sampled_from([0, 0, 1, 2]))
    mark = draw(st.sampled_from(",;\t|"))
    form = CsvFormat(encoding, bom, mark, quoting, skip, header, above)
    width = draw(st.integers(1, 4))
    column = draw(st.integers(0, width - 1))
    lines = ["sep=;", '# a "comment'][:above]
    for row in range(draw(st.integers(1, 8))):
        lines += [""] * draw(st.sampled_from([0, 0, 0, 1, 2]))
        names = [f"c{i}" for i in range(width)]
        fields = names if row == 0 else [
            draw(_field(form, width == 1, i == column)) for i in range(width)
        ]  # fmt: skip
        between = f"{mark}{draw(st.sampled_from(['', ' ']))}" if skip else mark
        lines.append(between.join(fields))
    text = "".join(line + draw(st.sampled_from(["\n", "\r\n", "\r"])) for line in lines)
    # Python's reader wants a line end after an escaped one.
    if draw(st.booleans()) and lines[-1][-1:].isalpha() and "\n" not in lines[-1]:
        text = text.rstrip("\r\n")
    return HostileCsv((_BOM[encoding] if bom else b"") + text.encode(encoding), form, column)
