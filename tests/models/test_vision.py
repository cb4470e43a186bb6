"""Vision towers of transformers, by tiny networks of random weights, against transformers alone."""

import io
import json

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoImageProcessor,
    BitImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    ResNetConfig,
    ResNetModel,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
)

from influence_core.errors import ModelError
from influence_core.models.encoders import load_encoder

SIDE = 16
BODY = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip
EYE = {**BODY, "image_size": SIDE, "patch_size": 8}
WORDS = {**BODY, "vocab_size": 9, "max_position_embeddings": 8}
SQUARE = {"height": SIDE, "width": SIDE}


def vit():
    return ViTModel(ViTConfig(**EYE)), ViTImageProcessor(size=SQUARE)


def vit_without_pooler():
    return ViTForImageClassification(ViTConfig(**EYE)), ViTImageProcessor(size=SQUARE)


def dinov2():
    processor = BitImageProcessor(size={"shortest_edge": 20}, crop_size=SQUARE)
    return Dinov2Model(Dinov2Config(**EYE)), processor


def clip():
    config = CLIPConfig(vision_config=EYE, text_config=WORDS, projection_dim=12)
    return CLIPModel(config), CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SQUARE)


def siglip():
    config = SiglipConfig(vision_config=EYE, text_config=WORDS)
    return SiglipModel(config), SiglipImageProcessor(size=SQUARE)


def resnet():
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1])
    return ResNetModel(config), ViTImageProcessor(size=SQUARE)


def masked():
    return ViTMAEModel(ViTMAEConfig(**EYE)), ViTImageProcessor(size=SQUARE)


# What transformers alone gives for the pixels of one picture.
ORACLES = {
    vit: lambda model, x: model(pixel_values=x).pooler_output,
    vit_without_pooler: lambda model, x: model.vit(pixel_values=x).last_hidden_state[:, 0],
    dinov2: lambda model, x: model(pixel_values=x).last_hidden_state[:, 0],
    clip: lambda model, x: model.visual_projection(model.vision_model(x).pooler_output),
    siglip: lambda model, x: model.vision_model(x).pooler_output,
    resnet: lambda model, x: model(x).last_hidden_state.mean((2, 3)),
}
DIMS = {clip: 12, resnet: 12}


def saved(folder, make):
    """A folder as the hub has it; returns the network, too."""
    torch.manual_seed(0)
    model, processor = make()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model.eval()


def pictures():
    rng = np.random.default_rng(0)
    out = []
    for shape in ((20, 30, 3), (16, 16), (50, 21, 3)):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(file, "PNG")
        out.append(file.getvalue())
    return out


@pytest.mark.parametrize("make", ORACLES, ids=lambda make: make.__name__)
def test_features_are_those_of_transformers_whatever_the_batch(tmp_path, make):
    model = saved(tmp_path, make)
    encoder = load_encoder(f"image:{tmp_path}")
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    raw = pictures()
    slow = []
    for one in raw:
        opened = Image.open(io.BytesIO(one)).convert("RGB")
        with torch.no_grad():
            x = processor(opened, return_tensors="pt")["pixel_values"]
            slow.append(ORACLES[make](model, x)[0].numpy())
    together = encoder.encode(raw)
    np.testing.assert_allclose(together, slow, atol=1e-5)
    alone = np.concatenate([encoder.encode([one]) for one in raw])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.shape == (3, encoder.dim) == (3, DIMS.get(make, 16))
    assert np.abs(np.subtract(slow[0], slow[1])).max() > 1e-3  # the pictures are told apart
    assert encoder.encode([]).shape == (0, encoder.dim)


def edit(folder, name, change):
    path = folder / name
    value = json.loads(path.read_text("utf-8"))
    change(value)
    path.write_text(json.dumps(value), "utf-8")


@pytest.mark.parametrize("make", [vit, vit_without_pooler, clip], ids=lambda make: make.__name__)
def test_the_fingerprint_is_of_weights_and_preprocessing_and_nothing_else(tmp_path, make):
    one, other = tmp_path / "one", tmp_path / "other"
    saved(one, make)
    model = saved(other, make)
    first = load_encoder(f"image:{one}").fingerprint
    assert load_encoder(f"image:{other}").fingerprint == first
    edit(other, "preprocessor_config.json", lambda value: value.update(image_mean=[0.4] * 3))
    other_pixels = load_encoder(f"image:{other}").fingerprint
    assert other_pixels != first
    with torch.no_grad():
        next(iter(model.parameters())).add_(1)
    model.save_pretrained(other)
    assert load_encoder(f"image:{other}").fingerprint not in (first, other_pixels)


def test_a_pooler_that_the_file_lacks_is_not_used(tmp_path):
    whole = saved(tmp_path, vit)
    before = load_encoder(f"image:{tmp_path}").fingerprint
    path = tmp_path / "model.safetensors"
    state = {n: t for n, t in load_file(path).items() if "pooler" not in n}
    save_file(state, path, metadata={"format": "pt"})
    encoder = load_encoder(f"image:{tmp_path}")
    raw = pictures()[:1]
    x = encoder.prepare(Image.open(io.BytesIO(raw[0])))[None]
    with torch.no_grad():
        slow = whole(pixel_values=x).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(encoder.encode(raw), slow, atol=1e-5)
    assert encoder.fingerprint == load_encoder(f"image:{tmp_path}").fingerprint != before


def test_a_network_that_hides_parts_of_a_picture_is_refused(tmp_path):
    saved(tmp_path, masked)
    with pytest.raises(ModelError, match="they differ each time"):
        load_encoder(f"image:{tmp_path}")


@pytest.mark.parametrize("spec", ["image:nobody/such-a-model", "image:/not/there"])
def test_a_model_out_of_reach_says_what_to_do(spec):
    with pytest.raises(ModelError, match="Check the name and the network, or give a local"):
        load_encoder(spec)


def test_a_name_is_needed():
    with pytest.raises(ModelError, match="'image:' needs a name or folder, such as 'image:"):
        load_encoder("image:")


def test_a_model_of_sentences_is_refused(tmp_path):
    folder = tiny.encoder(tmp_path / "bert")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(f"image:{folder}")
    ViTImageProcessor(size=SQUARE).save_pretrained(folder)
    with pytest.raises(ModelError, match="gives no features for pictures"):
        load_encoder(f"image:{folder}")


def test_a_file_that_lacks_weights_is_refused(tmp_path):
    saved(tmp_path, siglip)
    path = tmp_path / "model.safetensors"
    state = {n: t for n, t in load_file(path).items() if "vision_model.head" not in n}
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"image model .* lacks .* weights, such as vision_model"):
        load_encoder(f"image:{tmp_path}")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_truncated_folder_is_refused(tmp_path, file):
    saved(tmp_path, vit)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(f"image:{tmp_path}")
