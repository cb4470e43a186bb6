import io
import json
import struct
import urllib.request
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save, save_file
from tiny import png
from torch import nn
from torchvision import models

from influence_core.errors import DataError, ModelError
from influence_core.models import device
from influence_core.models.encoders import load_encoder
from influence_core.models.images import VggSpec, small_vgg

SMALL = "shufflenet_v2_x0_5"
SPEC = VggSpec(plan=(4, "M", 8, "M"), classes=3, dim=6, size=16)


@pytest.fixture
def root(tmp_path):
    torch.manual_seed(0)
    model = small_vgg(SPEC)
    meta = {"vgg": json.dumps(asdict(SPEC))}
    save_file(dict(model.state_dict()), tmp_path / "trunk.safetensors", metadata=meta)
    return tmp_path


def test_features_are_those_before_the_last_layer(root):
    encoder = load_encoder("vgg:trunk.safetensors", root=root)
    torch.manual_seed(0)
    model = small_vgg(SPEC).eval()
    model.classifier[-1] = nn.Identity()
    x = torch.full((1, 1, 16, 16), (200 / 255 - SPEC.mean) / SPEC.std)
    with torch.no_grad():
        slow = model(x).numpy()
    np.testing.assert_allclose(encoder.encode([png(200)]), slow, atol=1e-5)
    assert encoder.dim == 6


def test_chunks_do_not_change_features(root):
    encoder = load_encoder("vgg:trunk.safetensors", root=root)
    pictures = [png(v, (5 + v % 9, 8)) for v in range(0, 250, 3)]
    whole = encoder.encode(pictures)
    parts = np.concatenate([encoder.encode(pictures[:70]), encoder.encode(pictures[70:])])
    np.testing.assert_allclose(whole, parts, atol=1e-5)


def test_little_memory_means_small_chunks_and_the_same_features(root, monkeypatch):
    encoder = load_encoder("vgg:trunk.safetensors", root=root)
    pictures = [png(v) for v in range(9)]
    whole = encoder.encode(pictures)
    sizes = []
    encoder.model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    # The widest layer is the first convolution's rectifier: 4 × 16 × 16 in and as many out.
    monkeypatch.setattr(device, "memory_budget", lambda where: 2 * 4 * (2 * 4 * 16 * 16) * 4)
    np.testing.assert_allclose(encoder.encode(pictures), whole, atol=1e-6)
    assert sizes == [1, 4, 4, 1]


def test_no_pictures_give_no_features(root):
    assert load_encoder("vgg:trunk.safetensors", root=root).encode([]).shape == (0, 6)


@pytest.mark.parametrize("spec", ["vgg:", "vgg:none.safetensors"])
def test_an_encoder_file_that_is_not_there_is_refused(root, spec):
    with pytest.raises(ModelError, match=r"needs a file|cannot be loaded"):
        load_encoder(spec, root=root)


def test_a_broken_picture_is_refused(root):
    encoder = load_encoder("vgg:trunk.safetensors", root=root)
    with pytest.raises(DataError):
        encoder.encode([png(1)[:40]])


VGG_DAMAGE = {
    "cut": lambda whole: whole[:200],
    "empty": lambda whole: b"",
    "huge header": lambda whole: struct.pack("<Q", 2**40) + whole[8:],
    "header of nothing but brackets": lambda whole: struct.pack("<Q", 9**6) + b"[" * 9**6,
    "foreign": lambda whole: save({"fc.weight": torch.zeros(3)}),
    "of another size": lambda whole: save(
        {"features.0.weight": torch.zeros(2, 2)}, metadata={"vgg": json.dumps(asdict(SPEC))}
    ),
}


@pytest.mark.parametrize("how", VGG_DAMAGE)
def test_a_damaged_encoder_file_is_one_sentence(root, how):
    path = root / "trunk.safetensors"
    path.write_bytes(VGG_DAMAGE[how](path.read_bytes()))
    with pytest.raises(ModelError, match=r"trunk\.safetensors cannot be loaded") as caught:
        load_encoder("vgg:trunk.safetensors", root=root)
    assert "\n" not in str(caught.value)


def test_an_unknown_torchvision_name_is_refused():
    with pytest.raises(ModelError, match="torchvision has no model 'nonsense'"):
        load_encoder("torchvision:nonsense")


def test_torchvision_names_that_classify_no_images_are_refused():
    for name in ("fasterrcnn_resnet50_fpn", "r3d_18", "quantized_mobilenet_v2"):
        with pytest.raises(ModelError, match=f"torchvision has no model '{name}'"):
            load_encoder(f"torchvision:{name}")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Where torchvision looks for the weights of one small network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder / models.get_model_weights(SMALL).DEFAULT.url.rpartition("/")[2]


def test_weights_in_the_torch_hub_cache_make_an_encoder(cache):
    torch.manual_seed(0)
    model = models.get_model(SMALL).eval()
    torch.save(model.state_dict(), cache)
    encoder = load_encoder(f"torchvision:{SMALL}")
    model.fc = nn.Identity()
    picture = png(90, (40, 30))
    x = models.get_model_weights(SMALL).DEFAULT.transforms()(
        Image.open(io.BytesIO(picture)).convert("RGB")
    )
    with torch.no_grad():
        slow = model(x[None]).numpy()
    np.testing.assert_allclose(encoder.encode([picture]), slow, atol=1e-5)
    assert slow.shape == (1, encoder.dim)
    before = encoder.fingerprint
    torch.save(models.get_model(SMALL).state_dict(), cache)
    assert load_encoder(f"torchvision:{SMALL}").fingerprint != before


class Trap:
    """What a pickle runs when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_code_in_a_weights_file_is_not_run(cache, tmp_path):
    torch.save(Trap(tmp_path / "ran"), cache)
    with pytest.raises(ModelError, match=f"hold more than weights; delete {cache.name}"):
        load_encoder(f"torchvision:{SMALL}")
    assert not (tmp_path / "ran").exists()


def saved(value):
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


GOOD = models.get_model(SMALL).state_dict()
DAMAGE = {
    "empty": b"",
    "junk": b"junk" * 100,
    "cut": saved(GOOD)[:-40],
    "foreign": saved({"fc.weight": torch.zeros(3)}),
    "numbers for names": saved({1: 2}),
    "words for weights": saved(dict.fromkeys(GOOD, "x")),
    "one number a weight": saved({name: value.view(-1)[:1] for name, value in GOOD.items()}),
    "complex": saved({name: value.to(torch.complex64) for name, value in GOOD.items()}),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_weights_file_says_which_to_delete(cache, how):
    cache.write_bytes(DAMAGE[how])
    with pytest.raises(ModelError, match=f"damaged.*delete {cache.name}"):
        load_encoder(f"torchvision:{SMALL}")


def test_weights_out_of_reach_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # The first request of a process keeps the proxies of its environment for all later ones.
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot be fetched"):
        load_encoder("torchvision:mobilenet_v2")
