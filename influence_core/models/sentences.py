"""Sentence encoders as sentence-transformers reads them (extra `st`).

The model says by itself how it pools, which prompt stands before each sentence, whether features
are normalised, and where a text is cut off: the features are those of `SentenceTransformer.encode`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from influence_core.disk.fingerprint import of_tensors
from influence_core.errors import ModelError, one_line
from influence_core.models.device import autocast, chunk_that_fits, in_chunks
from influence_core.models.text import LIVE, settle_missing, vocabulary
from influence_core.models.tokens import hugging_face_source

_CHUNK = 64
_MOST_TOKENS = 8_192  # that memory is reckoned for, where a model names no limit of its own
_LEAST = 6  # earlier versions run code that lies in a model's folder


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A model of sentence-transformers."""

    modality: ClassVar[Literal["text"]] = "text"
    name: str
    model: Any
    dim: int
    device: torch.device
    fingerprint: str

    def encode(self, items: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, dim) features; similar lengths share a batch, so little is padded."""
        texts = list(items)
        order = np.argsort([len(t) for t in texts], kind="stable")
        out = np.empty((len(texts), self.dim), dtype=np.float32)

        def run(part: slice) -> None:
            index = order[part]
            with autocast(self.device):
                out[index] = self.model.encode(
                    [texts[i] for i in index], batch_size=len(index), show_progress_bar=False
                )

        tokens = min(self.model.max_seq_length or _MOST_TOKENS, _MOST_TOKENS)
        chunk = chunk_that_fits(LIVE * tokens * self.dim * 4, _CHUNK, self.device)
        in_chunks(run, len(texts), chunk, lower="the length of the sentences")
        return out


def load_sentence_transformer(
    rest: str, root: Path | None, device: torch.device
) -> SentenceEncoder:
    """A hub name, or a folder with weights (relative to the project, or absolute).

    Raises:
        ModelError: the package is missing or old, or something of the model is missing or damaged.
    """
    source = hugging_face_source(rest, root, scheme="st", example="BAAI/bge-small-en-v1.5")
    _check_package()
    model = _pretrained(source)
    fingerprint = of_tensors(_about(model), model.state_dict())
    try:
        dim = len(model.encode(["a"], show_progress_bar=False)[0])
    except Exception as error:  # A model of pictures or sounds fails in its own way.
        raise ModelError(
            f"The model '{source}' gives no features for sentences ({one_line(error)}); choose one "
            "for sentences, such as 'st:BAAI/bge-small-en-v1.5'."
        ) from error
    return SentenceEncoder(f"st:{rest}", model.to(device), dim, device, fingerprint)


def _check_package() -> None:
    try:
        if int(version("sentence-transformers").partition(".")[0]) >= _LEAST:
            return
    except PackageNotFoundError:
        pass
    raise ModelError(
        f"The encoder 'st:' needs sentence-transformers {_LEAST} (extra `st`); get it by: "
        f"pip install 'sentence-transformers>={_LEAST}'."
    )


def _pretrained(source: str) -> Any:
    """The model on the CPU, no number in it left to chance."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()

    def loaded(seed: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return SentenceTransformer(
                source,
                device="cpu",
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )

    try:
        model, other = loaded(0), loaded(1).state_dict()
    except Exception as error:  # A damaged config or tokenizer surfaces as almost anything.
        raise ModelError(
            f"The sentence model '{source}' cannot be loaded: it is neither a whole folder of "
            "sentence-transformers with a model.safetensors nor reachable on the hub. Check the "
            "name and the network, or give a local folder as 'st:<folder>'."
        ) from error
    # Nothing tells which weights the file lacks, but they are other ones each time.
    chance = [name for name, t in model.state_dict().items() if not torch.equal(t, other[name])]
    settle_missing(model, model, chance, f"sentence model '{source}'")
    return model.eval().requires_grad_(False)


def _about(model: Any) -> str:
    """Everything but weights that decides what features a sentence has."""
    parts = {
        "modules": [[type(module).__name__, module.get_config_dict()] for module in model],
        "prompt": model.prompts.get(model.default_prompt_name),
        "most tokens": model.max_seq_length,
        "truncated to": model.truncate_dim,
        "vocabulary": vocabulary(model.tokenizer),
    }
    return json.dumps(parts, sort_keys=True, default=str)
