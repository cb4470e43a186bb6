"""Pictures bent in every format: usable all the way to a tensor, or one sentence."""

import io
import shutil

import pytest
from damage import EDITS, damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import imported, refusal
from PIL import Image
from tiny import huge_png, png, project

from influence_core.data.images import FORMATS, open_image
from influence_core.models.images import VggSpec

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"]
SIDES = st.sampled_from([0, 1, 7, 8, 9, 255, 10_000, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1])


def encoded(form, mode):
    """A picture in this format, or None where the format does not know the mode."""
    out = io.BytesIO()
    try:
        Image.linear_gradient("L").resize((8, 8)).convert(mode).save(out, form)
    except (OSError, ValueError, KeyError):
        return None
    return out.getvalue()


PICTURES = [
    (form, data) for form in FORMATS for mode in MODES if (data := encoded(form, mode)) is not None
]


@pytest.fixture
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name, shade in (("cat", 40), ("dog", 200)):
        (folder / "in" / name).mkdir(parents=True)
        for i in range(4):
            (folder / "in" / name / f"{i}.png").write_bytes(png(shade + i))
    project(folder / "home" / "other", n=6)
    return folder


def tried(place, data, suffix, drop_bad):
    """Import with this picture among good ones, and make what encoders want of every picture."""
    file = place / "in" / "cat" / f"new{suffix}"
    file.write_bytes(data)
    try:
        made = imported(place / "in", place / "home", drop_bad=drop_bad)
        for split in made.dataset if made else ():
            for i in range(len(split)):
                refusal(lambda at=i, of=split: usable(of.image_bytes(at)))
    finally:
        file.unlink()
        shutil.rmtree(place / "home" / "made", ignore_errors=True)


def usable(data):
    """The picture as a grey and as a coloured encoder takes it."""
    for channels in (1, 3):
        spec = VggSpec(("M",), classes=2, dim=2, channels=channels, size=4)
        assert spec.prepare(open_image(data)).shape == (channels, 4, 4)


@pytest.mark.parametrize(("form", "data"), PICTURES)
def test_every_mode_of_every_format_reaches_the_encoder(form, data):
    usable(data)


def test_edits_of_pictures_of_every_format(place):
    @given(picture=st.sampled_from(PICTURES), edits=EDITS, drop_bad=st.booleans())
    def check(picture, edits, drop_bad):
        tried(place, damaged(picture[1], edits), ".png", drop_bad)

    check()


def test_pictures_of_any_promised_size(place):
    @settings(max_examples=settings.default.max_examples // 2)
    @given(
        width=SIDES, height=SIDES, depth=st.sampled_from([1, 8, 16, 99]), drop_bad=st.booleans(),
        colour=st.sampled_from([0, 2, 3, 4, 6, 255]), suffix=st.sampled_from([".png", ".JPG"]),
    )  # fmt: skip
    def check(width, height, depth, colour, suffix, drop_bad):
        tried(place, huge_png(width, height, depth, colour), suffix, drop_bad)

    check()
