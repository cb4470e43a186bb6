from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from tiny import GOOD
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
)

from influence_core.errors import ModelError
from influence_core.models.encoders import SCHEMES, for_texts, load_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.encoder(tmp_path_factory.mktemp("hub") / "tiny")


def test_features_are_the_mean_over_real_tokens_whatever_the_batch(folder):
    encoder = load_encoder(f"hf:{folder}")
    together = encoder.encode([*GOOD, "a film"])
    alone = np.concatenate([encoder.encode([text]) for text in [*GOOD, "a film"]])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    batch = encoder.tokenizer(["a film"], return_tensors="pt")
    with torch.no_grad():
        slow = encoder.model(**batch).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(together[-1], slow, atol=1e-5)
    assert together.shape == (5, encoder.dim)


def test_minilm_works_without_any_hub():
    encoder = load_encoder("minilm")
    a, b, c = encoder.encode(["a great film", "a wonderful movie", "the printer is out of ink"])
    assert encoder.dim == 384
    cosine = lambda x, y: x @ y / np.linalg.norm(x) / np.linalg.norm(y)  # noqa: E731
    assert cosine(a, b) > cosine(a, c) + 0.3


def test_the_fingerprint_follows_the_weights(folder, tmp_path):
    other = tiny.encoder(tmp_path / "other")
    assert load_encoder(f"hf:{folder}").fingerprint == load_encoder(f"hf:{other}").fingerprint
    encoder = load_encoder(f"hf:{other}")
    with torch.no_grad():
        next(iter(encoder.model.parameters())).add_(1)
    encoder.model.save_pretrained(other)
    assert load_encoder(f"hf:{other}").fingerprint != load_encoder(f"hf:{folder}").fingerprint


def test_a_pooler_that_the_file_lacks_does_not_make_another_fingerprint_each_time(tmp_path):
    folder = tiny.encoder(tmp_path / "tiny")
    path = folder / "model.safetensors"
    state = {name: t for name, t in load_file(path).items() if "pooler" not in name}
    save_file(state, path, metadata={"format": "pt"})
    assert len({load_encoder(f"hf:{folder}").fingerprint for _ in range(2)}) == 1


def test_a_hub_name_that_cannot_be_reached_says_what_to_do():
    with pytest.raises(ModelError, match="cannot be loaded: it is neither a folder"):
        load_encoder("hf:nobody/such-a-model")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return tiny.reader(tmp_path_factory.mktemp("reader") / "tiny")


LONG = " ".join(["a dull grey film", "moving and true", "boring and long"] * 60)


def test_sentences_longer_than_the_model_has_positions_are_cut_unless_read_in_windows(reader):
    encoder = load_encoder(f"hf:{reader}")
    assert encoder.max_tokens == 62 and encoder.overlap is None
    beginning = " ".join(LONG.split()[:60])
    np.testing.assert_array_equal(encoder.encode([LONG]), encoder.encode([beginning]))
    assert encoder.longer([LONG, beginning, "a film", ""]).tolist() == [True, False, False, False]


def slow_windows(encoder, text):
    """One window after the other, by hand: the oracle."""
    ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    start, end = (encoder.tokenizer.convert_tokens_to_ids(t) for t in ("[CLS]", "[SEP]"))
    size = encoder.max_tokens - 2
    means, at = [], 0
    while True:
        window = torch.tensor([[start, *ids[at : at + size], end]])
        with torch.no_grad():
            means.append(encoder.model(input_ids=window).last_hidden_state[0].mean(0).numpy())
        if at + size >= len(ids):
            return np.mean(means, axis=0)
        at += size - encoder.overlap


@pytest.mark.parametrize("words", [1, 59, 60, 61, 105, 106, 400])
def test_a_long_text_is_the_mean_of_its_windows(reader, words):
    encoder = load_encoder(f"hf:{reader}").windowed()
    assert encoder.overlap == 15
    text = " ".join(LONG.split()[:words])
    np.testing.assert_allclose(encoder.encode([text])[0], slow_windows(encoder, text), atol=1e-5)


def test_windows_do_not_depend_on_the_batch_and_leave_short_texts_to_the_bit(reader):
    cut = load_encoder(f"hf:{reader}")
    whole = cut.windowed()
    texts = [LONG, "a film", *GOOD, LONG[:900], LONG[40:]]
    together = whole.encode(texts)
    for order in (range(len(texts)), reversed(range(len(texts)))):
        alone = {i: whole.encode([texts[i]])[0] for i in order}
        np.testing.assert_allclose(together, [alone[i] for i in range(len(texts))], atol=1e-5)
    short = [i for i, text in enumerate(texts) if not cut.longer([text])[0]]
    np.testing.assert_array_equal(together[short], cut.encode(texts)[short])
    assert len(short) == 5


def test_an_end_that_is_cut_off_tells_no_texts_apart_and_windows_do(reader):
    cut = load_encoder(f"hf:{reader}")
    ends = [LONG + " a lovely warm film", LONG + " a dull grey mess"]
    assert (cut.encode(ends)[0] == cut.encode(ends)[1]).all()
    assert np.abs(np.subtract(*cut.windowed().encode(ends))).max() > 1e-3


def test_the_fingerprint_tells_windows_and_loads_them_again(reader):
    cut = load_encoder(f"hf:{reader}")
    whole = cut.windowed()
    assert cut.fingerprint != whole.fingerprint and whole.windowed() is whole
    assert for_texts(cut, [["a film"], GOOD]) is cut
    chosen = for_texts(cut, [["a film"], [LONG]])
    assert chosen.fingerprint == whole.fingerprint
    for one in (cut, whole):
        again = load_encoder(f"hf:{reader}", fingerprint=one.fingerprint)
        assert (again.fingerprint, again.overlap) == (one.fingerprint, one.overlap)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 9])
def test_an_encoder_that_reads_a_few_tokens_has_windows_that_go_on(reader, most):
    encoder = replace(load_encoder(f"hf:{reader}"), max_tokens=most).windowed()
    if encoder.overlap is not None:
        assert np.isfinite(encoder.encode([LONG, "a film"])).all()


def test_the_fingerprint_follows_the_tokenizer(folder, tmp_path):
    other = tiny.encoder(tmp_path / "other")
    before = load_encoder(f"hf:{other}").fingerprint
    words = AutoTokenizer.from_pretrained(other)
    words.add_tokens(["unheard"])
    words.save_pretrained(other)
    assert load_encoder(f"hf:{other}").fingerprint != before


WORDS = {"<unk>": 0, "</s>": 1, "a": 2, "dull": 3, "film": 4}


def saved(folder, model, **special):
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel(WORDS, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words, model_input_names=["input_ids", "attention_mask"], **special
    ).save_pretrained(folder)
    return load_encoder(f"hf:{folder}")


def test_a_decoder_without_a_padding_token_gives_each_sentence_its_own_features(tmp_path):
    config = GPT2Config(
        vocab_size=8, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1
    )
    encoder = saved(tmp_path, GPT2Model(config), unk_token="<unk>", eos_token="</s>")
    together = encoder.encode(["film", "a dull dull film"])
    np.testing.assert_allclose(together[0], encoder.encode(["film"])[0], atol=1e-6)


def test_of_an_encoder_with_decoder_the_encoder_alone_is_used(tmp_path):
    config = T5Config(
        vocab_size=8, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0
    )
    encoder = saved(tmp_path, T5Model(config), unk_token="<unk>", pad_token="<unk>")
    assert encoder.encode(["a film", "a dull dull film"]).shape == (2, 16)


def test_a_tokenizer_with_nothing_to_pad_with_is_refused(tmp_path):
    config = GPT2Config(
        vocab_size=8, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1
    )
    with pytest.raises(ModelError, match="no token to pad with"):
        saved(tmp_path, GPT2Model(config))


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_truncated_folder_is_refused(tmp_path, file):
    folder = tiny.encoder(tmp_path / "tiny")
    path = folder / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(f"hf:{folder}")


def test_pickled_weights_are_not_read(tmp_path):
    folder = tiny.encoder(tmp_path / "tiny")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="saved as safetensors"):
        load_encoder(f"hf:{folder}")


def test_minilm_takes_no_name():
    with pytest.raises(ModelError, match="write 'hf:other'"):
        load_encoder("minilm:other")


def test_an_unknown_encoder_lists_the_schemes():
    with pytest.raises(ModelError, match=", ".join(SCHEMES)):
        load_encoder("word2vec")
