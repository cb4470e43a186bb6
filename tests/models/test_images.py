import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny import png
from torch import nn

from influence_core.errors import DataError, ModelError
from influence_core.models.images import VggSpec, small_vgg
from influence_core.models.trunks import load_trunk

SPEC = VggSpec(plan=(4, "M", 8, "M"), classes=3, dim=6, size=16)


@pytest.fixture
def root(tmp_path):
    torch.manual_seed(0)
    model = small_vgg(SPEC)
    meta = {"vgg": json.dumps(asdict(SPEC))}
    save_file(dict(model.state_dict()), tmp_path / "trunk.safetensors", metadata=meta)
    return tmp_path


def test_features_are_those_before_the_last_layer(root):
    trunk = load_trunk("vgg:trunk.safetensors", root=root)
    torch.manual_seed(0)
    model = small_vgg(SPEC).eval()
    model.classifier[-1] = nn.Identity()
    x = torch.full((1, 1, 16, 16), (200 / 255 - SPEC.mean) / SPEC.std)
    with torch.no_grad():
        slow = model(x).numpy()
    np.testing.assert_allclose(trunk.encode([png(200)]), slow, atol=1e-5)
    assert trunk.dim == 6


def test_chunks_do_not_change_features(root):
    trunk = load_trunk("vgg:trunk.safetensors", root=root)
    pictures = [png(v, (5 + v % 9, 8)) for v in range(0, 250, 3)]
    whole = trunk.encode(pictures)
    parts = np.concatenate([trunk.encode(pictures[:70]), trunk.encode(pictures[70:])])
    np.testing.assert_allclose(whole, parts, atol=1e-5)


def test_a_broken_picture_is_refused(root):
    trunk = load_trunk("vgg:trunk.safetensors", root=root)
    with pytest.raises(DataError):
        trunk.encode([png(1)[:40]])


def test_a_truncated_trunk_is_refused(root):
    path = root / "trunk.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"trunk\.safetensors cannot be loaded"):
        load_trunk("vgg:trunk.safetensors", root=root)


def test_an_unknown_torchvision_name_is_refused():
    with pytest.raises(ModelError, match="torchvision has no model 'nonsense'"):
        load_trunk("torchvision:nonsense")


def test_weights_out_of_reach_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot be fetched"):
        load_trunk("torchvision:mobilenet_v2")
