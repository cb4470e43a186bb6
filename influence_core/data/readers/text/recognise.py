"""By which codecs bytes that are not UTF-8 are text in some language.

Latin letters are told apart by the alphabets of single languages, other scripts by
charset-normalizer; `encodings` takes a codec only if no other reads the file otherwise.
"""

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

MARGIN = 0.04  # of oddity, within which no text is more likely than another
LEAST_LETTERS = 15  # different ones, beyond ASCII, before another script than Latin is believed in
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
_HIRAGANA = re.compile("[ぁ-ん]")
_WORD = re.compile(r"[^\W\d_]+")
_SIGNS = "№“”‘’„‚«»‹›–—…•·§°€£¥©®™½¼¾²³µ¿¡ªº×´\xa0"
# Signs stand beside words, not within them, and capitals begin words.
_UNLIKELY = re.compile(rf"[^\W\d_](?:(?![’–—·…])[{_SIGNS}])+[^\W\d_]")


def likely_codecs(sample: bytes) -> list[str]:
    """All that read these lines as text of some language; of Latin letters first."""
    return _latin(sample) + _other(sample)


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
