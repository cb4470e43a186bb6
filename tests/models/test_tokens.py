"""Letters that an encoder does not know, by tokenizers of three kinds that are made here."""

import json

import numpy as np
import pytest
from text_cases import SENTENCES, spoken
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, Unigram, WordPiece
from tokenizers.trainers import BpeTrainer, WordPieceTrainer

from influence_core.models.tokens import unread_letters

ENGLISH = [text for text, _ in spoken("en", 8)] + ["the film was good and the story moves on"] * 4
OTHERS = ["ru", "uk", "el", "he", "ko", "ja"]


def texts(language, count=4):
    return [text for text, _ in spoken(language, count)]


def saved(folder, tokenizer):
    """The spec of an encoder whose folder holds this tokenizer, and no weights."""
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return f"hf:{folder}"


def wordpiece(known):
    """As BERT's: words of other letters are unknown."""
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = WordPieceTrainer(vocab_size=2_000, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(known, trainer)
    return tokenizer


def by_bytes(known):
    """As RoBERTa's and GPT-2's: nothing is unknown, other letters are several tokens each."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=2_000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(known, trainer)
    return tokenizer


def unigram(known):
    """As XLM-RoBERTa's: pieces of sentences; what is unknown is one piece, however long."""
    words = {"▁" + word for text in known for word in text.split()}
    letters = {letter for text in known for letter in "▁" + text.replace(" ", "")} - words
    pieces = [("<unk>", 0.0), *((word, -5.0) for word in sorted(words))]
    pieces += [(letter, -12.0) for letter in sorted(letters)]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


@pytest.mark.parametrize("make", [wordpiece, by_bytes, unigram])
def test_words_of_another_script_are_found_whatever_a_tokenizer_makes_of_them(tmp_path, make):
    spec = saved(tmp_path / "english", make(ENGLISH))
    assert unread_letters(spec, ENGLISH).max() < 0.05
    for language in [*OTHERS, "zh"]:
        assert unread_letters(spec, texts(language)).min() > 0.7, language


@pytest.mark.parametrize("make", [wordpiece, by_bytes, unigram])
def test_a_tokenizer_made_of_all_these_languages_knows_them(tmp_path, make):
    known = [text for language in SENTENCES for text in texts(language)]
    spec = saved(tmp_path / "all", make(known * 4))
    assert unread_letters(spec, known).mean() < 0.1


def test_minilm_knows_latin_letters_alone():
    shares = {language: unread_letters("minilm", texts(language)).mean() for language in SENTENCES}
    assert {name for name, share in shares.items() if share < 0.2} == {"fr", "de", "pl", "en"}
    assert min(shares[name] for name in OTHERS) > 0.85
    assert shares["zh"] > 0.6  # it has a token for a few hundred of the signs


def test_the_share_is_that_of_letters_and_what_has_none_is_read():
    found = unread_letters("minilm", ["film прекрасный", "", "12 + 30 = 42", "a 😀 film", "я"])
    assert np.allclose(found, [10 / 14, 0, 0, 0, 0])


def test_an_unknown_sign_counts_alone_where_the_others_of_its_word_are_known(tmp_path):
    tokenizer = wordpiece(["电 影 好"])
    spec = saved(tmp_path / "signs", tokenizer)
    assert unread_letters(spec, ["电影好", "电影坏"]).round(2).tolist() == [0, 0.33]


def test_where_no_tokenizer_lies_here_nothing_is_said_and_nothing_fetched(tmp_path, monkeypatch):
    def refuse(*arguments, **switches):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    for spec in ("hf:nobody/such-a-model", "st:such-a-model", f"hf:{tmp_path}", "hf:", "own:384"):
        assert unread_letters(spec, ["a"]) is None
    assert unread_letters("hf:no name/of the/hub", ["a"]) is None
    assert unread_letters("torchvision:mobilenet_v2", ["a"]) is None


def test_a_model_in_the_hubs_cache_is_asked(tmp_path, monkeypatch):
    from huggingface_hub import constants

    repository = tmp_path / "models--sentence-transformers--tiny"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    wordpiece(ENGLISH).save(str(snapshot / "tokenizer.json"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert unread_letters("st:tiny", texts("ru")).min() > 0.7
    assert unread_letters("hf:tiny", texts("ru")) is None
    assert json.loads((snapshot / "tokenizer.json").read_text())["model"]["unk_token"] == "[UNK]"
