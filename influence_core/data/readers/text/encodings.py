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
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from influence_core.errors import DataError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

CHUNK = 1 << 20
SAMPLE_BYTES = 1 << 16
MANY = 10_000  # stray bytes, with which a file is no UTF-8 whatever follows
MARGIN = 0.04  # of oddity, within which no text is more likely than another
LEAST_LETTERS = 15  # different ones, beyond ASCII, before another script than Latin is believed in
_BOMS = (  # the longer ones first: UTF-16's is the beginning of UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Of several codecs that read the same text the first is taken.
LATIN = (
    *("cp1252", "cp1250", "cp1254", "cp1257", "iso8859_15", "iso8859_2", "iso8859_9"),
    *("mac_roman", "mac_latin2", "cp850", "cp852", "cp437"),
)
_WINDOWS = LATIN[:7]  # and the standards beside it; the others need more letters to be believed
OTHERS = (
    *("cp1251", "koi8_r", "koi8_u", "iso8859_5", "cp866", "mac_cyrillic", "cp1253", "iso8859_7"),
    *("mac_greek", "cp1255", "cp1256", "iso8859_6", "cp874", "gb18030", "cp950", "big5hkscs"),
    *("cp932", "euc_jp", "euc_jis_2004", "cp949"),
)
_SAFE = ("utf-8", "ascii", "latin-1", *_WIDE)  # decoding and encoding is the identity by design
_SHIFTING = ("iso2022", "utf-7", "hz")  # a letter's bytes depend on those before it
# The standard that a codec extends, and the letters of its language.
_COMMON = {
    "cp949": ("iso2022_kr", "[가-힣]"), "gb18030": ("gb2312", "[一-鿿]"),
    "cp950": ("big5", "[一-鿿]"), "big5": ("big5", "[一-鿿]"), "big5hkscs": ("big5", "[一-鿿]"),
    "cp932": ("cp932", "[ぁ-ヿ一-鿿]"), "euc_jp": ("euc_jp", "[ぁ-ヿ一-鿿]"),
    "euc_jis_2004": ("euc_jp", "[ぁ-ヿ一-鿿]"),
}  # fmt: skip
ALPHABETS = {
    "Catalan": "àçèéíïòóúü", "Croatian": "čćđšž", "Czech": "áčďéěíňóřšťúůýž", "Danish": "æøåé",
    "Dutch": "áéëïóöüè", "Estonian": "äöõüšž", "Finnish": "äöå", "French": "àâæçéèêëîïôœùûüÿ",
    "German": "äöüß", "Hungarian": "áéíóöőúüű", "Icelandic": "áðéíóúýþæö", "Italian": "àèéìíîòóùú",
    "Latvian": "āčēģīķļņšūž", "Lithuanian": "ąčęėįšųūž", "Polish": "ąćęłńóśźż",
    "Portuguese": "áâãàçéêíóôõúü", "Romanian": "ăâîșțşţ", "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "Belarusian": "абвгдеёжзійклмнопрстуўфхцчшыьэюя", "Bulgarian": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "Russian": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "Serbian": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "Spanish": "áéíñóúü", "Swedish": "åäöé", "Turkish": "çğıöşüâîûİ",
}  # fmt: skip
_STRAY, _BEYOND = re.compile("[\udc80-\udcff]"), re.compile("[^\0-\x7f]")
_HIRAGANA = re.compile("[ぁ-ん]")
_WORD = re.compile(r"[^\W\d_]+")
_SIGNS = "№“”‘’„‚«»‹›–—…•·§°€£¥©®™½¼¾²³µ¿¡ªº×´\xa0"
# Signs stand beside words, not within them, and capitals begin words.
_UNLIKELY = re.compile(rf"[^\W\d_](?:(?![’–—·…])[{_SIGNS}])+[^\W\d_]")


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
        head = file.read(4096)
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
    for codec in (marked,) if marked else (*_zero_bytes(path), "utf-8"):
        if first_misfit(path, codec) is None:
            if b"\x1b$" in head:
                raise DataError(_shifting(path.name))
            return codec, marked is not None
    if marked:
        raise DataError(
            f"{path.name} begins with the mark of {marked}, but line {first_misfit(path, marked)} "
            "is not text in it; fix the line, or name another encoding (--encoding)."
        )
    return _recognised(path), False


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


def _zero_bytes(path: Path) -> Iterator[str]:
    """Of text without a mark, two or four bytes a letter: the codec that makes sense of it.

    Line ends and commas have zero bytes in it, which UTF-8 text has not.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
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
    found = _latin(sample) + _other(sample)
    found = [codec for codec in found if first_misfit(path, codec) is None]
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


def _latin(sample: bytes) -> list[str]:
    """Codecs by which it is text in some language with Latin letters, and nothing odd is in it."""
    found, few = [], True
    for codec in LATIN:
        try:
            text = sample.decode(codec)
        except UnicodeDecodeError:
            continue
        words = "".join(word for word in _WORD.findall(text) if not word.isascii())
        if _is_spelt(text) and 2 * sum(c.isascii() for c in words) >= len(words):
            found.append(codec)
            few &= len(set(_letters(text))) < 3
            if codec == "cp1252" and not _letters(text) and _is_english(text):
                return [codec]
    return [] if few and not set(_WINDOWS) & set(found) else found


def _is_spelt(text: str) -> bool:
    """Whether one language has all its letters, and signs and capitals stand where they do."""
    letters = set(_letters(text))
    if {c for c in text if c > "\x7f"} - letters - set(_SIGNS) or _UNLIKELY.search(text):
        return False
    words = (word for word in _WORD.findall(text) if not word.isascii())
    if not all(word.istitle() or word.islower() or word.isupper() for word in words):
        return False
    return any(letters <= set(known + known.upper()) for known in ALPHABETS.values())


def _is_english(text: str) -> bool:
    """Whether its apostrophes are those of English; in other codecs they are single letters."""
    short = len(re.findall(r"n’t\b|’(?:s|re|ve|ll|d|m)\b", text))
    return short > 2 and short > 0.8 * text.count("’")


def _other(sample: bytes) -> list[str]:
    """Codecs by which it is text in another script; of one text, if charset-normalizer is sure."""
    from charset_normalizer import from_bytes

    if len(_HIRAGANA.findall(text := sample.decode("cp932", "replace"))) > 0.3 * len(
        _letters(text)
    ):
        return ["cp932"]  # in no other codec these bytes are letters that are in use
    found = from_bytes(sample, cp_isolation=[*LATIN, *OTHERS], enable_fallback=False)
    matches = sorted(found, key=_oddity)
    if not matches or not _is_common(str(matches[0]), matches[0].encoding):
        return []
    best = matches[0]
    letters = _letters(str(best))
    latin = sum(unicodedata.name(c, "").startswith("LATIN") for c in letters)
    if len(set(letters)) < LEAST_LETTERS or 10 * latin > len(letters):
        return []
    near = [match for match in matches if _oddity(match) < _oddity(best) + MARGIN]
    if _is_spelt(str(best)):
        near = [match for match in near if _is_spelt(str(match))]
    names = {name for match in near for name in (match.encoding, *match.could_be_from_charset)}
    return [codec for codec in OTHERS if codec in names]


def _letters(text: str) -> str:
    """Those beyond ASCII."""
    return "".join(c for c in text if c > "\x7f" and c.isalpha() and c not in _SIGNS)


def _oddity(match: "CharsetMatch") -> float:
    """How little a decoded text is like text of some language."""
    return float(match.chaos - 0.25 * match.coherence)


def _is_common(text: str, codec: str) -> bool:
    """Whether its letters are mostly those that such text has; a large codec has many others."""
    letters = _letters(text)
    narrow, own = _COMMON.get(codec, ("utf-8", "."))
    known = len(letters.encode(narrow, "ignore").decode(narrow)) > 0.9 * len(letters)
    return known and len(re.findall(own, letters)) >= 0.7 * len(letters)
