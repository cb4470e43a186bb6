"""Near copies: made pairs are found and others are not; sets, not pairs; a pattern is no copy."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from influence_core.data.build import build_dataset
from influence_core.data.checks import crops, near
from influence_core.data.checks.check import check_dataset
from influence_core.data.checks.crops import crop_pairs
from influence_core.data.checks.near import _close, joined, near_copies, near_sets
from influence_core.installed import sample_root
from influence_core.store.project import Project

MADE = 100


def _jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _crop(image, rng, part=None, place=None):
    """A window of 80 to 95 % of each side, at any place unless one is given."""
    part = rng.uniform(0.8, 0.95) if part is None else part
    size = np.array([round(part * side) for side in image.size])
    room = np.array(image.size) - size
    left, top = rng.integers(0, room + 1) if place is None else (room * place).astype(int)
    return image.crop((left, top, left + size[0], top + size[1]))


CHANGES = {
    "image": {
        "jpeg": lambda image, rng: _jpeg(image, 50),
        "larger": lambda image, rng: _png(image.resize((56, 56), Image.Resampling.BICUBIC)),
        "brighter": lambda image, rng: _png(image.point(lambda grey: min(255, int(1.2 * grey)))),
        "crop": lambda image, rng: _png(_crop(image, rng)),
        "centre crop": lambda image, rng: _png(_crop(image, rng, 0.85, 0.5)),
        "crop made large again": lambda image, rng: _png(
            _crop(image, rng).resize(image.size, Image.Resampling.BILINEAR)
        ),
    },
    "text": {
        "case and blanks": lambda text: f"  {text.upper().replace(' ', '   ')} ",
        "a typo": lambda text: text[: len(text) // 2] + "x" + text[len(text) // 2 :],
        "a word more": lambda text: f"well {text}",
    },
}


def made(sample, change):
    """Rows of a sample as train, and as test changed copies of the first and untouched others."""
    data = Project.open(sample_root() / sample).dataset
    train, column = data.train, data.train.content_column
    rows = np.random.default_rng(1).permutation(len(train))[:900]
    if column == "text":
        long = [at for at in rows if len(train.texts([at])[0]) > 60]
        contents = train.texts(long)
        changed = [change(text) for text in contents[:MADE]]
    else:
        contents = [train.image_bytes(int(at)) for at in rows]
        greys = [Image.open(io.BytesIO(one)).convert("L") for one in contents[:MADE]]
        rng = np.random.default_rng(5)
        changed = [change(image, rng) for image in greys]
    half = (len(contents) + MADE) // 2
    parts = {"train": contents[:half], "test": [*changed, *contents[half:]]}
    built = {
        name: {column: part, "label": [i % 2 for i in range(len(part))],
               "id": [f"{name}-{i}" for i in range(len(part))]}
        for name, part in parts.items()
    }  # fmt: skip
    return build_dataset(built, ["a", "b"])


@pytest.mark.parametrize(
    ("sample", "name"), [("fashion", n) for n in CHANGES["image"]]
    + [("reviews", n) for n in CHANGES["text"]],
)  # fmt: skip
def test_made_pairs_across_splits_are_found_and_others_are_not(sample, name):
    kind = "image" if sample == "fashion" else "text"
    dataset = made(sample, CHANGES[kind][name])
    pairs = {("train", i): ("test", i) for i in range(MADE)}
    found = {}
    for one in near_sets(dataset):
        for row in one.rows:
            found[row] = set(one.rows) - {row}
    hits = sum(pair in found.get(row, ()) for row, pair in pairs.items())
    said = sum(1 for (split, _) in found if split == "test")
    assert hits >= 0.95 * MADE
    assert said <= 1.05 * hits


def test_copies_of_copies_are_one_set_and_labels_that_differ_are_told():
    text = "the plot is thin but the actors save the whole evening"
    others = ["a train came late", "nobody liked the soundtrack of it", "what a waste of popcorn"]
    parts = {
        "train": {"text": [text, f"{text}!", f"and {text}", *others], "label": [0, 1, 0] + [0] * 3},
        "test": {"text": [f"{text} indeed", "nothing of the kind was said here"], "label": [0, 1]},
    }
    dataset = build_dataset(parts, ["bad", "good"])
    [one] = near_sets(dataset)
    assert one.rows == (("train", 0), ("train", 1), ("train", 2), ("test", 0))
    found = {(f.rule, f.split): f for f in near_copies(dataset)}
    assert set(found) == {("near-copies", "train"), ("near-leakage", "test")}
    assert found["near-copies", "train"].rows.tolist() == [0, 1, 2]
    assert "in 1 set, of which 1 has different labels" in found["near-copies", "train"].what
    assert found["near-leakage", "test"].rows.tolist() == [0]
    assert {f.rule for f in check_dataset(dataset)} >= {"near-copies", "near-leakage"}


def test_other_numbers_short_texts_and_exact_copies_are_no_near_copies():
    numbered = [f"the order number {i} has not been delivered yet" for i in range(30)]
    short = ["good film", "good films"]
    twice = ["one of the very best films of this decade"] * 2
    dataset = build_dataset(
        {"train": {"text": [*numbered, *short, *twice], "label": [0, 1] * 17}}, ["a", "b"]
    )
    assert near_sets(dataset) == []


def test_pictures_of_one_grey_and_broken_ones_are_passed_over():
    greys = [_png(Image.new("L", (20, 20), shade)) for shade in range(40, 60)]
    parts = {"image": [*greys, b"no picture"], "label": [i % 2 for i in range(21)]}
    dataset = build_dataset({"train": parts}, ["a", "b"])
    assert near_sets(dataset) == []


def test_close_pairs_are_those_of_all_cosines(monkeypatch):
    monkeypatch.setattr(near, "_BLOCK", 7)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    slow = {(i, j) for i in range(60) for j in range(i + 1, 60) if x[i] @ x[j] >= 0.9}
    assert slow
    assert set(map(tuple, _close(x, 0.9, None).tolist())) == slow


def test_joined_pairs_are_sets():
    sets = joined(np.array([[4, 1], [1, 6], [2, 3]]), 8)
    assert [one.tolist() for one in sets] == [[1, 4, 6], [2, 3]]
    assert joined(np.zeros((0, 2), np.int64), 8) == []


def _photos():
    """Pieces of two photos, each with its mirror image, which is another picture to this check."""
    pieces = []
    for photo in load_sample_images().images:
        image = Image.fromarray(photo)
        for top in range(0, image.height - 63, 64):
            for left in range(0, image.width - 63, 64):
                pieces.append(image.crop((left, top, left + 64, top + 64)))
    lively = [one for one in pieces if np.asarray(one.convert("L")).std() > 8]
    return lively + [ImageOps.mirror(one) for one in lively]


@pytest.mark.parametrize("cells", [1, 8])
@pytest.mark.parametrize("large", [False, True])
def test_crops_of_photos_are_found_and_other_photos_are_not(monkeypatch, large, cells):
    if cells > 1:
        monkeypatch.setattr(crops, "_WHOLE", 100)
        monkeypatch.setattr(crops, "_CELL", 256 // cells)
    photos = _photos()
    rng = np.random.default_rng(1)
    made = [_crop(photos[i], rng) for i in range(MADE)]
    if large:
        made = [one.resize((48, 48), Image.Resampling.BICUBIC) for one in made]
    frames = [np.asarray(one.convert("L")) for one in photos + made]
    found = {tuple(pair) for pair in crop_pairs(frames).tolist()}
    true = {(i, len(photos) + i) for i in range(MADE)}
    assert len(found & true) >= 0.95 * MADE
    assert len(found & true) >= 0.95 * len(found)


def test_a_crop_in_train_of_a_test_picture_leaks():
    photos = _photos()[:12]
    parts = {
        "train": {"image": [_png(_crop(photos[0], np.random.default_rng(2))),
                            *map(_png, photos[1:6])], "label": [0, 1] * 3},
        "test": {"image": list(map(_png, [photos[0], *photos[6:]])), "label": [0] * 7},
    }  # fmt: skip
    found = {(f.rule, f.split): f for f in near_copies(build_dataset(parts, ["a", "b"]))}
    assert found["near-leakage", "test"].rows.tolist() == [0]
    assert "near copy in train" in found["near-leakage", "test"].what
