"""Shortcuts: one word, the label itself, or a size that tells the class; and no chance find."""

import tracemalloc

import numpy as np
import pytest
from scipy.stats import beta
from tiny import png

from influence_core.data.build import build_dataset
from influence_core.data.checks.shortcuts import LEVEL, PRECISE, explained, shortcuts, telling_words

WORDS = [f"word{i}" for i in range(60)]


def texts(seed=0, rows=400):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    return [" ".join(rng.choice(WORDS, 8)) for _ in range(rows)], labels


def found(said, labels):
    rows = {"text": list(said), "label": labels.tolist()}
    return list(shortcuts(build_dataset({"train": rows}, ["good", "bad"])))


def test_a_word_that_most_of_a_class_has_is_found_with_its_rows():
    said, labels = texts()
    has = (labels == 1) & (np.arange(400) % 4 > 0)
    said = [f"{text} watermark" if h else text for text, h in zip(said, has, strict=True)]
    (finding,) = found(said, labels)
    assert finding.rule == "shortcuts"
    assert "'watermark'" in finding.what
    assert "leaks" not in finding.what
    assert len(finding.rows) == has.sum()


def test_the_label_in_the_text_is_called_a_leak():
    said, labels = texts()
    said = [f"{text} {('good', 'bad')[c]}" for text, c in zip(said, labels, strict=True)]
    told = [finding.what for finding in found(said, labels)]
    assert len([what for what in told if "the label leaks into the text" in what]) == 2


def test_a_length_that_tells_the_class_is_found():
    said, labels = texts()
    said = [text * (1 + 2 * c) for text, c in zip(said, labels, strict=True)]
    told = " ".join(finding.what for finding in found(said, labels))
    assert "the length of its text alone" in told


def test_the_bound_of_a_word_is_exact_and_corrected():
    said, labels = texts(rows=300)
    for wrong in (0, 3, 12, 40):  # rows of the other class that have it, too
        has = labels == 1
        has[np.flatnonzero(labels == 0)[:wrong]] = True
        own = [f"{text} sign" if h else text for text, h in zip(said, has, strict=True)]
        hits = int((labels == 1).sum())
        words = len({word for text in own for word in text.split()})
        low = beta.ppf(LEVEL / words, hits, wrong + 1)
        assert bool(telling_words(own, labels)) == (low >= PRECISE)


@pytest.mark.parametrize("seed", range(20))
def test_chance_is_no_shortcut(seed):
    assert found(*texts(seed)) == []


def test_a_number_explains_all_some_or_nothing():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    assert explained(labels + 0.0, labels) == 1
    assert explained(rng.normal(size=600), labels) < 0.2
    half = np.where(rng.random(600) < 0.5, labels, rng.integers(0, 3, 600)).astype(float)
    assert 0.3 < explained(half, labels) < 0.7


def pictures(folder, gone=()):
    """60 pictures a class in files, of which the second class is larger; some are gone."""
    rows = {"image_path": [], "label": []}
    for number in range(120):
        label = number % 2
        path = folder / f"{number}.png"
        path.write_bytes(png(number) + bytes(5_000 * label))
        rows["image_path"].append(path.name)
        rows["label"].append(label)
    built = build_dataset({"train": rows}, ["good", "bad"], image_root=folder)
    for number in gone:
        (folder / f"{number}.png").unlink()
    return built


@pytest.mark.parametrize("gone", [(), (0, 7, 30), range(120)])
def test_a_size_that_tells_the_class_is_found_and_pictures_that_are_gone_are_left_out(
    tmp_path, gone
):
    told = list(shortcuts(pictures(tmp_path, gone)))
    if len(gone) == 120:
        assert told == []
        return
    (finding,) = told
    assert "the size of its file alone" in finding.what
    assert finding.rows.tolist() == [n for n in range(120) if n not in gone]


def test_of_classes_with_a_few_rows_each_no_number_is_said_to_tell_them():
    labels = np.arange(300) % 100
    assert explained(labels + 0.0, labels) == 0


def test_of_very_many_classes_the_telling_word_of_one_is_found_in_little_memory():
    said, labels = texts(rows=4_000)
    labels = 2 + np.arange(4_000) % 20_000  # a row each, but for one class
    labels[:120] = 50_000
    said = [f"{text} sign" if c == 50_000 else text for text, c in zip(said, labels, strict=True)]
    tracemalloc.start()
    ((word, number, rows),) = telling_words(said, labels)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (word, number) == ("sign", 50_000)
    assert rows.tolist() == list(range(120))
    assert most < 100e6  # as a table of rows and classes 1.6 GB
