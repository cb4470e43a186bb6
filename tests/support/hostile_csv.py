"""CSV files as nobody should write them, for tests of exports."""

import codecs
from dataclasses import dataclass

from hypothesis import strategies as st

from influence_core.data.readers.csv_format import CsvFormat

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "cp1252", "latin-1")
LABELS = ("pos", "neg", "so, so", '"qt', "0", "=1+1", "two\nlines")
_BOM = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
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
    breaks = any(c in value for c in (form.delimiter, "\r", "\n")) or (alone and not value)
    if not form.quoting:
        return "plain" if breaks else value
    if breaks or value.startswith('"') or draw(st.booleans()):
        return '"' + value.replace('"', '""') + '"'
    return value


@st.composite
def hostile_csvs(draw) -> HostileCsv:
    """A file of a line of names and up to eight rows, with blank lines in between."""
    encoding = draw(st.sampled_from(ENCODINGS))
    bom = encoding in _BOM and draw(st.booleans())
    form = CsvFormat(encoding, bom, draw(st.sampled_from(",;\t|")), draw(st.booleans()))
    width = draw(st.integers(1, 4))
    column = draw(st.integers(0, width - 1))
    lines = []
    for row in range(draw(st.integers(1, 8))):
        lines += [""] * draw(st.sampled_from([0, 0, 0, 1, 2]))
        names = [f"c{i}" for i in range(width)]
        fields = names if row == 0 else [
            draw(_field(form, width == 1, i == column)) for i in range(width)
        ]  # fmt: skip
        lines.append(form.delimiter.join(fields))
    text = "".join(line + draw(st.sampled_from(["\n", "\r\n", "\r"])) for line in lines)
    if draw(st.booleans()):
        text = text.rstrip("\r\n") if not text.endswith('"') else text
    return HostileCsv((_BOM[encoding] if bom else b"") + text.encode(encoding), form, column)
