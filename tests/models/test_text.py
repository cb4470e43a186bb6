import numpy as np
import pytest
import torch
from tiny import GOOD, encoder

from influence_core.errors import ModelError
from influence_core.models.trunks import SCHEMES, load_trunk


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return encoder(tmp_path_factory.mktemp("hub") / "tiny")


def test_features_are_the_mean_over_real_tokens_whatever_the_batch(folder):
    trunk = load_trunk(f"hf:{folder}")
    together = trunk.encode([*GOOD, "a film"])
    alone = np.concatenate([trunk.encode([text]) for text in [*GOOD, "a film"]])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    batch = trunk.tokenizer(["a film"], return_tensors="pt")
    with torch.no_grad():
        slow = trunk.model(**batch).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(together[-1], slow, atol=1e-5)
    assert together.shape == (5, trunk.dim)


def test_minilm_works_without_any_hub():
    trunk = load_trunk("minilm")
    a, b, c = trunk.encode(["a great film", "a wonderful movie", "the printer is out of ink"])
    assert trunk.dim == 384
    cosine = lambda x, y: x @ y / np.linalg.norm(x) / np.linalg.norm(y)  # noqa: E731
    assert cosine(a, b) > cosine(a, c) + 0.3


def test_the_fingerprint_follows_the_weights(folder, tmp_path):
    other = encoder(tmp_path / "other")
    assert load_trunk(f"hf:{folder}").fingerprint == load_trunk(f"hf:{other}").fingerprint
    trunk = load_trunk(f"hf:{other}")
    with torch.no_grad():
        next(iter(trunk.model.parameters())).add_(1)
    trunk.model.save_pretrained(other)
    assert load_trunk(f"hf:{other}").fingerprint != load_trunk(f"hf:{folder}").fingerprint


def test_a_hub_name_that_cannot_be_reached_says_what_to_do():
    with pytest.raises(ModelError, match="cannot be loaded: it is neither a folder"):
        load_trunk("hf:nobody/such-a-model")


def test_an_unknown_trunk_lists_the_schemes():
    with pytest.raises(ModelError, match=", ".join(SCHEMES)):
        load_trunk("word2vec")
