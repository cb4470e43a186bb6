"""Encoders of timm, by tiny networks of random weights, against timm alone."""

import io
import sys

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.models import save_for_hf

from influence_core.errors import ModelError
from influence_core.models.encoders import encodes, load_encoder


def picture(seed):
    rng = np.random.default_rng(seed)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=5).eval()
    save_for_hf(model, tmp_path / "model", safe_serialization=True)
    return model, tmp_path / "model"


def test_features_are_those_of_timm_itself(saved):
    model, folder = saved
    pictures = [picture(i) for i in range(3)]
    encoder = load_encoder(f"timm:{folder}")
    found = encoder.encode(pictures)
    settings = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**settings, is_training=False)
    pixels = torch.stack([transform(Image.open(io.BytesIO(p)).convert("RGB")) for p in pictures])
    model.reset_classifier(0)
    with torch.no_grad():
        expected = model(pixels).numpy()
    assert found.shape == (3, encoder.dim)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-4)
    assert encodes(encoder.name) == "image"


def test_the_fingerprint_covers_weights_and_preprocessing(saved):
    model, folder = saved
    first = load_encoder(f"timm:{folder}").fingerprint
    assert load_encoder(f"timm:{folder}").fingerprint == first
    config = folder / "config.json"
    text = config.read_text("utf-8")
    config.write_text(text.replace('"bicubic"', '"bilinear"'), "utf-8")
    other = load_encoder(f"timm:{folder}").fingerprint
    config.write_text(text, "utf-8")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    save_for_hf(model, folder, safe_serialization=True)
    assert len({first, other, load_encoder(f"timm:{folder}").fingerprint}) == 3


def test_what_cannot_be_loaded_is_one_sentence(saved, monkeypatch):
    _, folder = saved
    with pytest.raises(ModelError, match="needs a name or folder"):
        load_encoder("timm:")
    with pytest.raises(ModelError, match="'no_such_net' cannot be loaded"):
        load_encoder("timm:no_such_net")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        load_encoder(f"timm:{folder}")
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr("influence_core.models.timm_images.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'timm>=1\.0\.20'"):
        load_encoder(f"timm:{folder}")
