"""The sample *fashion*: small grey pictures of clothes with planted label errors.

A small VGG is trained on 20,000 pictures that the sample does not contain, frozen, and shipped as
the project's encoder. A second, narrower one is trained whole under turn-over dropout on the sample's
own rows and shipped as a run. 5 % of the 4,000 training labels are planted wrong: half uniformly,
half to the class that the VGG confuses most with the true one. The column `planted` says which;
nothing in training or scoring reads it.
"""

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.models.images import VggSpec, small_vgg
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.store.runs import Run
from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.train.network import NetworkOptions, train_network

SEED = 2020
CLASSES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
PRETRAIN, CONFUSE, TRAIN, VALID, TEST = 20_000, 5_000, 4_000, 1_000, 1_000
NOISE = 0.05
SPEC = VggSpec(
    plan=(32, 32, "M", 64, 64, "M", 128, "M"), classes=10, dim=128, mean=0.286, std=0.353
)
EPOCHS = 12
# The second run: narrow, for its features and weights are shipped too; every block is masked.
WHOLE = NetworkOptions(
    encoder="vgg:24,M,32,M,32,M:24:28:1",
    blocks=3,
    twins="start",
    training=NetworkTraining(
        epochs=14, batch=16, learning_rate=2e-3, watch="nothing", probe_rows=1000, device="cpu"
    ),
)


def read_idx(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) and labels (N,) of "train" or "t10k"."""
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return images, labels


def pretrain(images: np.ndarray, labels: np.ndarray) -> nn.Module:
    """A small VGG with shifts and mirror images as augmentation, one learning-rate cycle."""
    torch.manual_seed(SEED)
    model = small_vgg(SPEC)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    model.classifier.insert(2, nn.Dropout(0.3))
    x, y = _normalised(images), torch.from_numpy(labels)
    batch = 128
    steps = EPOCHS * (len(x) // batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    rng = torch.Generator().manual_seed(SEED)
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for part in torch.randperm(len(x), generator=rng)[: steps // EPOCHS * batch].split(batch):
            logits = model(_augmented(x[part], rng))
            loss = nn.functional.cross_entropy(logits, y[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            total += float(loss.detach())
        print(f"encoder epoch {epoch + 1}/{EPOCHS}: loss {total / (steps // EPOCHS):.3f}", flush=True)
    del model.classifier[2]  # the dropout
    return model.eval()


def _normalised(images: np.ndarray) -> Tensor:
    return ((torch.from_numpy(images.copy()).float() / 255 - SPEC.mean) / SPEC.std)[:, None]


def _augmented(x: Tensor, rng: torch.Generator) -> Tensor:
    mirror = torch.rand(len(x), generator=rng) < 0.5
    x = torch.where(mirror[:, None, None, None], x.flip(3), x)
    dy, dx = torch.randint(-2, 3, (2,), generator=rng).tolist()
    padded = nn.functional.pad(x, (2, 2, 2, 2), value=float(x.min()))
    return padded[:, :, 2 + dy : 30 + dy, 2 + dx : 30 + dx]


@torch.no_grad()
def predict(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Class numbers of pictures."""
    return torch.cat([model(part).argmax(1) for part in _normalised(images).split(512)]).numpy()


def plant(gold: np.ndarray, confusion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels with `NOISE` of them wrong: half uniform, half to the most confused class."""
    labels = gold.copy()
    chosen = rng.permutation(len(gold))[: round(NOISE * len(gold))]
    uniform, confused = np.array_split(chosen, 2)
    labels[uniform] = (gold[uniform] + rng.integers(1, 10, len(uniform))) % 10
    off = confusion.copy()
    np.fill_diagonal(off, -1)
    labels[confused] = off.argmax(1)[gold[confused]]
    return labels


def build(source: Path, out: Path, work: Path) -> Project:
    """Train the encoder, plant the noise, and make the project folder."""
    rng = np.random.default_rng(SEED)
    images, gold = read_idx(source, "train")
    test_images, test_gold = read_idx(source, "t10k")
    parts = np.split(
        rng.permutation(len(images))[: PRETRAIN + CONFUSE + TRAIN + VALID],
        np.cumsum([PRETRAIN, CONFUSE, TRAIN]),
    )
    pre, confuse, train, valid = parts
    test = rng.permutation(len(test_images))[:TEST]
    work.mkdir(parents=True, exist_ok=True)
    encoder = work / "trunk.safetensors"
    model = pretrain(images[pre], gold[pre])
    model.half().float()  # what is shipped is what is measured
    accuracy = float((predict(model, test_images) == test_gold).mean())
    print(f"encoder accuracy on the set's own 10,000 test images: {accuracy:.4f}", flush=True)
    save_encoder(model, encoder, accuracy)
    confusion = np.zeros((10, 10), dtype=np.int64)
    np.add.at(confusion, (gold[confuse], predict(model, images[confuse])), 1)
    labels = plant(gold[train], confusion, rng)
    files = {
        "train": _write(work / "train.parquet", images, train, labels, gold, "train"),
        "valid": _write(work / "valid.parquet", images, valid, gold[valid], gold, "train"),
        "test": _write(
            work / "test.parquet", test_images, test, test_gold[test], test_gold, "t10k"
        ),
    }
    options = ReadOptions(
        label_column="label", content_column="image", id_column="id", split_column="",
        classes=CLASSES,
    )  # fmt: skip
    dataset = read_source({split: str(path) for split, path in files.items()}, options)
    project = Project.create(out, "Fashion", dataset, "vgg:trunk.safetensors")
    (out / "trunk.safetensors").write_bytes(encoder.read_bytes())
    return project


def train_whole(project: Project, progress: ProgressFn | None = None) -> Run:
    """A small VGG trained from scratch under turn-over dropout in every block: 100 % isolated."""
    return train_network(project, WHOLE, progress=progress)


def save_encoder(model: nn.Module, path: Path, accuracy: float) -> None:
    """Weights as float16 with the plan and the measured accuracy as metadata."""
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    meta = {"vgg": json.dumps(asdict(SPEC)), "test_accuracy": f"{accuracy:.4f}"}
    save_file(state, path, metadata=meta)


def _write(
    path: Path, images: np.ndarray, chosen: np.ndarray, labels: np.ndarray, gold: np.ndarray,
    origin: str,
) -> Path:  # fmt: skip
    table = pa.table(
        {
            "id": [f"{origin}-{i}" for i in chosen],
            "image": pa.array(list(_png(images[chosen])), pa.binary()),
            "label": [CLASSES[c] for c in labels],
            "gold": [CLASSES[c] for c in gold[chosen]],
            "planted": labels != gold[chosen],
        }
    )
    pq.write_table(table, path, compression="zstd")
    return path


def _png(images: np.ndarray) -> Iterator[bytes]:
    for image in images:
        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG", optimize=True)
        yield out.getvalue()
