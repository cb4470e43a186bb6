"""Which encoding a text file is in: told by a mark, proved by UTF-8, or recognised; never assumed.

A file that is not UTF-8 could be read by many codecs without an error, and all but one would make
nonsense of it. `detect_encoding` takes one only if all that speaks for another is gone: Latin
letters by the alphabets of single languages, other scripts by charset-normalizer. Else it refuses
and names the first line that is not UTF-8. What is taken also gives the file back to the byte.
"""

import codecs
import io
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from influence_core.data.readers.text.recognise import likely_codecs
from influence_core.errors import DataError

CHUNK = 1 << 20
SAMPLE_BYTES = 1 << 16
MANY = 10_000  # stray bytes, with which a file is no UTF-8 whatever follows
_BOMS = (  # the longer ones first: UTF-16's is the beginning of UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
FEW_NULS = 20  # at most one in so many bytes is a slip
_SAFE = ("utf-8", "ascii", "latin-1", *_WIDE)  # decoding and encoding is the identity by design
_SHIFTING = ("iso2022", "utf-7", "hz")  # a letter's bytes depend on those before it
_STRAY, _BEYOND = re.compile("[\udc80-\udcff]"), re.compile("[^\0-\x7f]")


def detect_encoding(path: Path, encoding: str | None = None) -> tuple[str, bool]:
    """Codec of a whole file, and whether it starts with a byte-order mark.

    Args:
        path: of the file.
        encoding: what the user says, None to find out.

    Raises:
        DataError: the file does not fit the encoding that was given, or none is sure; names the
            first line that speaks against it.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    marked = next((codec for mark, codec in _BOMS if head.startswith(mark)), None)
    if encoding is not None:
        codec = _bare_codec(encoding, marked)
        line = first_misfit(path, codec)
        if line is not None:
            raise DataError(
                f"Line {line} of {path.name} is not text in {encoding}; fix the line, or name "
                "another encoding (--encoding)."
            )
        return codec, codec == marked
    for codec in (marked,) if marked else (*_zero_bytes(head), "utf-8"):
        if first_misfit(path, codec) is None:
            if b"\x1b$" in head:
                raise DataError(_shifting(path.name))
            return codec, marked is not None
    if marked:
        raise DataError(
            f"{path.name} begins with the mark of {marked}, but line {first_misfit(path, marked)} "
            "is not text in it; fix the line, or name another encoding (--encoding)."
        )
    if b"\0" in head:  # a picture, an archive
        raise no_text(path.name, head)
    return _recognised(path), False


def no_text(name: str, head: str | bytes) -> DataError:
    """What is said of a file that begins so, with a NUL: a slip in a text, or no text at all."""
    text = head.encode("utf-8", "replace") if isinstance(head, str) else head
    with suppress(UnicodeDecodeError):
        codecs.getincrementaldecoder("utf-8")().decode(text)
        if FEW_NULS * text.count(0) < len(text):
            line = text[: text.index(0)].count(b"\n") + 1
            return DataError(f"Line {line} of {name} holds a NUL byte; take it out.")
    return DataError(
        f"{name} is not a text file (it has NUL bytes); save it as CSV, or name its encoding "
        "(--encoding)."
    )


def first_misfit(path: Path, codec: str) -> int | None:
    """Number of the first line that is not text in this codec, or is not given back by it.

    Raises:
        OSError: the file cannot be read.
    """
    decoder = codecs.getincrementaldecoder(codec)()
    encoder = None if codec in _SAFE else codecs.getincrementalencoder(codec)()
    fed, held = 0, b""
    with path.open("rb") as file:
        while True:
            data = file.read(CHUNK)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                # The object is what was kept of the data before, and this data.
                return _line_at(path, codec, fed + len(data) - len(error.object) + error.start)
            fed += len(data)
            if encoder is not None:
                held, again = held + data, encoder.encode(text)
                if not held.startswith(again):
                    pairs = zip(held, again, strict=False)
                    same = next((i for i, (a, b) in enumerate(pairs) if a != b), len(held))
                    return _line_at(path, codec, fed - len(held) + same)
                held = held[len(again) :]
            if not data:
                return None


def first_lines(path: Path, encoding: str, count: int = 5) -> list[str]:
    """The first lines with letters beyond ASCII, as this encoding reads them; "�" where it cannot.

    Raises:
        DataError: there is no such encoding, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(CHUNK)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    marked = next((codec for mark, codec in _BOMS if head.startswith(mark)), None)
    text = head.decode(_bare_codec(encoding, marked), "replace")
    lines = (line for line in re.split("[\r\n]+", text) if not line.isascii())
    return [line.removeprefix("\ufeff") for line in islice(lines, count)]


def _line_at(path: Path, codec: str, at: int) -> int:
    """The line, from 1, in which the byte at this offset lies."""
    decoder = codecs.getincrementaldecoder(codec)("replace")
    lines, count = io.IncrementalNewlineDecoder(decoder, translate=True), 1
    with path.open("rb") as file:
        while at > 0 and (data := file.read(min(CHUNK, at))):
            at -= len(data)
            count += lines.decode(data).count("\n")
    return count + lines.decode(b"", final=True).count("\n")


def _shifting(what: str) -> str:
    return (
        f"{what} is in an encoding with shift sequences, which an export could not keep byte for "
        "byte; save it as UTF-8."
    )


def _bare_codec(encoding: str, marked: str | None) -> str:
    """Codec that leaves a byte-order mark alone: "utf-8-sig" and "utf-16" do not."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise DataError(
            f"There is no text encoding {encoding!r}; try utf-8 or cp1252 (--encoding)."
        ) from error
    name = {"utf-8-sig": "utf-8", "iso8859-1": "latin-1"}.get(name, name)
    if name.startswith(_SHIFTING):
        raise DataError(_shifting(f"Text in {encoding}"))
    if name in ("utf-16", "utf-32"):
        return marked if marked is not None and marked.startswith(name) else f"{name}-le"
    return name


def _zero_bytes(head: bytes) -> Iterator[str]:
    """Of text without a mark, two or four bytes a letter: the codec that makes sense of it.

    Line ends and commas have zero bytes in it, which UTF-8 text has not.
    """
    if b"\0" not in head:
        return
    for codec in _WIDE:
        text = codecs.getincrementaldecoder(codec)("replace").decode(head)
        # Read in the wrong order, letters are rare ones or none, and no line ends.
        kinds = {unicodedata.category(c) for c in text if c not in "\r\n\t"}
        ends = "\r" in text or "\n" in text
        if ends and "\ufffd" not in text and not kinds & {"Cc", "Cn", "Co", "Cs"}:
            yield codec


def _recognised(path: Path) -> str:
    """The codec of a file that is not UTF-8."""
    line, good, bad, sample = first_misfit(path, "utf-8"), 0, 0, b""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            strays = len(_STRAY.findall(text := decoder.decode(data)))
            bad, good = bad + strays, good + len(_BEYOND.findall(text)) - strays
            if len(sample) < SAMPLE_BYTES:
                lines = (part for part in re.split(b"(?<=[\r\n])", data) if not part.isascii())
                sample = (sample + b"".join(lines))[:SAMPLE_BYTES]
            if bad > max(good, MANY):
                break
    where = f"Line {line} of {path.name} does not fit UTF-8"
    if good > bad:
        more = f", and {bad - 1:,} more bytes do not" if bad > 1 else ""
        raise DataError(
            f"{where}, although the rest does{more}; fix the line, or name another encoding "
            "(--encoding)."
        )
    sample = sample[: max(sample.rfind(b"\n"), sample.rfind(b"\r")) + 1] or sample
    found = [codec for codec in likely_codecs(sample) if first_misfit(path, codec) is None]
    texts: dict[str, str] = {}
    for codec in found:
        texts.setdefault(sample.decode(codec, "replace"), codec)
    if len(texts) == 1:
        return found[0]
    several = f" (it could be {' or '.join(texts.values())})" if found else ""
    raise DataError(
        f"{where}, and its encoding is not sure{several}; name it (--encoding), or save the file "
        "as UTF-8."
    )
