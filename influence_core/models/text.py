"""Sentence encoders: a transformer's token vectors, averaged over the tokens of the sentence.

A text that is longer than the transformer reads is read in windows that overlap, and its features
are their mean. Where no text of a data set is that long, windows change nothing, and neither the
features nor the fingerprint do: features of earlier versions stay valid exactly where they are
right, and runs on texts that were cut keep the encoder that cuts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from influence_core.disk.fingerprint import of_parts, of_tensors
from influence_core.errors import ModelError
from influence_core.models.device import autocast, chunk_that_fits, in_chunks, pinned, sent
from influence_core.models.tokens import (
    MAX_TOKENS,
    hugging_face_source,
    minilm_folder,
    most_tokens,
)

_CHUNK = 64
# Floats per token and hidden unit that a block holds at once: its four-fold layer twice over.
LIVE = 16
_UNREAD = ("pooler", "mask_token")  # parts that no features come from where a file lacks them


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A transformers encoder with mean pooling.

    Attributes:
        max_tokens: that it reads at once.
        overlap: tokens that two windows of a longer text share; None cuts it off instead.
    """

    modality: ClassVar[Literal["text"]] = "text"
    name: str
    model: Any
    tokenizer: Any
    device: torch.device
    fingerprint: str
    max_tokens: int = MAX_TOKENS
    overlap: int | None = None

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

        in_chunks(run, len(texts), self._chunk(), lower="the length of the sentences")
        return out

    def windowed(self) -> "TextEncoder":
        """The same encoder, reading long texts to their end; without a fast tokenizer it cannot."""
        if not self.tokenizer.is_fast or self.overlap is not None:
            return self
        room = self.max_tokens - self.tokenizer.num_special_tokens_to_add()
        overlap = min(self.max_tokens // 4, room - 1)
        if overlap < 0:
            return self
        fingerprint = of_parts([self.fingerprint, f"windows that share {overlap} tokens"])
        return replace(self, overlap=overlap, fingerprint=fingerprint)

    def longer(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which texts have more tokens than it reads at once, (n,)."""
        # However a tokenizer unfolds letters, a text that is so short fits, and need not be cut.
        maybe = np.flatnonzero([len(text) > self.max_tokens // 16 for text in texts])
        out = np.zeros(len(texts), dtype=bool)
        for start in range(0, len(maybe), _CHUNK):
            part = maybe[start : start + _CHUNK]
            found = self.tokenizer([texts[i] for i in part], truncation=False, verbose=False)
            out[part] = [len(ids) > self.max_tokens for ids in found["input_ids"]]
        return out

    def _chunk(self) -> int:
        each = LIVE * self.max_tokens * self.dim * 4
        return chunk_that_fits(each, _CHUNK, self.device)

    def _pooled(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """(n, dim) features; the beginnings of all texts are one batch, as if none went on."""
        more = {}
        if self.overlap is not None:
            more = {"stride": self.overlap, "return_overflowing_tokens": True}
        batch = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_tokens,
            return_tensors="pt", **more,
        )  # fmt: skip
        owner = np.asarray(batch.pop("overflow_to_sample_mapping", np.arange(len(texts))))
        first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        sums = self._means(batch, first)
        rest = np.setdiff1d(np.arange(len(owner)), first)
        if rest.size:
            step = self._chunk()
            for start in range(0, len(rest), step):
                part = rest[start : start + step]
                np.add.at(sums, owner[part], self._means(batch, part))
            sums /= np.bincount(owner)[:, None]
        return sums

    def _means(self, whole: Any, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Mean over the tokens of each of these windows."""
        index = torch.from_numpy(rows)
        batch = {
            name: sent(pinned(values[index], self.device), self.device)
            for name, values in whole.items()
        }
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
    return _encoder(f"hf:{rest}", loaded, vocabulary(loaded.tokenizer), device)


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
    settle_missing(model, encoder, report["missing_keys"], f"text model '{source}'")
    if tokenizer.pad_token is None:
        # Padding is masked out of the mean, so any token will do.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ModelError(f"The tokenizer of '{source}' has no token to pad with; set `pad_token`.")
    tokenizer.padding_side = "right"  # a decoder's positions count from the left
    positions = getattr(encoder.config, "max_position_embeddings", None)
    return TextModel(encoder, tokenizer, most_tokens(positions))


def settle_missing(model: Any, encoder: Any, missing: Iterable[str], what: str) -> None:
    """Refuse what lacks weights; those that nothing reads are zero, not another number each time.

    Transformers fills both with random numbers, and only warns. Checkpoints of language models and
    of classifiers have no pooler; no features come from such a one.

    Raises:
        ModelError: the encoder needs a weight that the file lacks.
    """
    used = {id(tensor) for tensor in encoder.state_dict(keep_vars=True).values()}
    whole = model.state_dict(keep_vars=True)
    lacking = [name for name in sorted(missing) if id(whole.get(name)) in used]
    unread = [name for name in lacking if any(part in name for part in _UNREAD)]
    if len(lacking) > len(unread):
        first = next(name for name in lacking if name not in unread)
        raise ModelError(
            f"The {what} cannot be loaded: its model.safetensors lacks "
            f"{len(lacking) - len(unread)} of the network's weights, such as {first}; the file was "
            "cut or belongs to another model, so fetch it again."
        )
    for name in unread:
        whole[name].data.zero_()


def _encoder(name: str, loaded: TextModel, vocabulary: str, device: torch.device) -> TextEncoder:
    model, tokenizer, most = loaded
    model = model.eval().requires_grad_(False).to(device)
    about = f"mean-pooled, {most} tokens{vocabulary}"
    fingerprint = of_tensors(about, model.state_dict())
    return TextEncoder(name, model, tokenizer, device, fingerprint, most)


def vocabulary(tokenizer: Any) -> str:
    """Everything that decides how a sentence becomes tokens."""
    bare = tokenizer.backend_tokenizer if getattr(tokenizer, "is_fast", False) else tokenizer
    if hasattr(bare, "to_str"):
        return str(bare.to_str())
    return repr(sorted(tokenizer.get_vocab().items()))
