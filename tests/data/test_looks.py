"""Odd pictures: each made kind is told, and pictures as they usually are, are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from influence_core.data.build import build_dataset
from influence_core.data.checks import quality
from influence_core.data.checks.check import check_dataset
from influence_core.data.checks.looks import looks_of
from influence_core.data.checks.near import near_sets
from influence_core.data.checks.quality import can_measure, odd_looks
from influence_core.data.checks.shortcuts import shortcuts
from influence_core.data.images import pixels_of
from influence_core.errors import DataError
from influence_core.installed import sample_root
from influence_core.store.project import Project

USUAL = 40
with_cleanvision = pytest.mark.skipif(not can_measure(), reason="the extra quality is not there")


def scene(seed, size=(96, 80)):
    """A picture with edges and grain."""
    rng = np.random.default_rng(seed)
    grey = rng.normal(120, 12, (size[1], size[0]))
    for _ in range(6):
        x, y = rng.integers(0, size[0] - 10), rng.integers(0, size[1] - 10)
        grey[y : y + 25, x : x + 25] = rng.integers(0, 256)
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


ODD = {
    "dark": scene(90).point(lambda grey: grey // 8),
    "bright": scene(91).point(lambda grey: 250 + grey // 60),
    "next to nothing": Image.new("L", (96, 80), 120),
    "blurred": ImageOps.invert(Image.radial_gradient("L")).resize((96, 80)),
    "another size": scene(93, (960, 800)),
    "much longer than wide": scene(94, (400, 30)),
}


def dataset(odd):
    pictures = [png(scene(seed)) for seed in range(USUAL)] + [png(image) for image in odd]
    labels = [i % 2 for i in range(len(pictures))]
    return build_dataset({"train": {"image": pictures, "label": labels}}, ["a", "b"])


@with_cleanvision
@pytest.mark.parametrize("kind", ODD)
def test_a_picture_of_each_kind_is_told_and_no_other(kind):
    made = dataset([ODD[kind]])
    found = {f.what: f for f in odd_looks(made, looks_of(made))}
    assert any(kind in what for what in found), found
    assert all(f.rows.tolist() == [USUAL] for f in found.values())
    assert "odd-pictures" in {f.rule for f in check_dataset(made)}


@with_cleanvision
def test_usual_pictures_are_not_told_of():
    made = dataset([])
    assert list(odd_looks(made, looks_of(made))) == []
    fashion = Project.open(sample_root() / "fashion").dataset
    told = sum(len(f.rows) for f in odd_looks(fashion, looks_of(fashion)))
    assert told <= 0.01 * sum(len(split) for split in fashion)


def test_broken_pictures_are_another_findings_and_none_is_no_trouble():
    rows = {"image": [b"no picture"] * 4, "label": [0, 1, 0, 1]}
    made = build_dataset({"train": rows}, ["a", "b"])
    assert list(odd_looks(made, looks_of(made))) == []
    with pytest.raises(DataError, match="not a readable"):
        pixels_of(b"no picture")


def test_a_width_that_tells_the_class_is_a_shortcut():
    rng = np.random.default_rng(0)
    pictures = [png(scene(i, (60 + 20 * (i % 2) + int(rng.integers(0, 9)), 50 + i % 7)))
                for i in range(120)]  # fmt: skip
    rows = {"image": pictures, "label": [i % 2 for i in range(120)]}
    told = [f.what for f in shortcuts(build_dataset({"train": rows}, ["a", "b"]))]
    assert any("the width of its picture alone" in what for what in told)
    assert not any("height" in what for what in told)


@with_cleanvision
def test_grey_pictures_are_odd_among_coloured_ones_and_not_where_many_are_grey():
    coloured = [png(scene(seed).convert("RGB")) for seed in range(USUAL)]
    for grey, rows in ((2, [USUAL, USUAL + 1]), (USUAL, [])):
        pictures = coloured + [png(scene(100 + i)) for i in range(grey)]
        labels = [i % 2 for i in range(len(pictures))]
        made = build_dataset({"train": {"image": pictures, "label": labels}}, ["a", "b"])
        found = [f for f in odd_looks(made, looks_of(made)) if "grey" in f.what]
        assert [row for f in found for row in f.rows.tolist()] == rows


def test_without_the_extra_nothing_is_measured_and_copies_are_found_all_the_same(monkeypatch):
    monkeypatch.setattr(quality, "can_measure", lambda: False)
    made = dataset([ODD["dark"], scene(0).resize((48, 40))])
    assert list(odd_looks(made, looks_of(made))) == []
    assert [one.rows for one in near_sets(made)] == [(("train", 0), ("train", USUAL + 1))]
