"""What pixels mean: one picture however it is kept, the same for encoders and for people."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_pictures import encoded, ramp
from PIL import Image
from tiny import huge_png

from influence_core.data.images import image_problem, open_image, thumbnail
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.models.encoders import load_encoder
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, train

TRUNK = Path(__file__).parents[2] / "sample_data" / "fashion" / "trunk.safetensors"
GREY = np.asarray(ramp())


def seen(image, **how):
    return np.asarray(open_image(encoded(image, **how)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_once(form, orientation):
    image = Image.new("RGB", (32, 16))
    image.paste((255, 255, 255), (0, 0, 8, 8))  # in the corner of the camera's picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = open_image(encoded(image, form, exif=exif))
    wanted = {
        1: ("left", "top"), 2: ("right", "top"), 3: ("right", "bottom"), 4: ("left", "bottom"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }[orientation]  # fmt: skip
    assert upright.size == ((32, 16) if orientation < 5 else (16, 32))
    corners = {
        (across, down): int(np.asarray(upright.convert("L"))[y, x])
        for across, x in (("left", 2), ("right", -3))
        for down, y in (("top", 2), ("bottom", -3))
    }
    assert max(corners, key=corners.__getitem__) == wanted


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "note",
    [
        b"garbage",
        b"II*\x00\x08\x00\x00\x00\x05\x00",
        b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\xff" + bytes(6),
    ],
)
def test_a_damaged_note_of_the_camera_damages_no_picture(note):
    data = encoded(ramp(), "JPEG", exif=b"Exif\x00\x00" + note)
    assert image_problem(data) is None
    assert open_image(data).size == (16, 16)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled(form):
    wide = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert np.array_equal(seen(wide, form=form), GREY)


def test_sixteen_bits_of_the_other_byte_order():
    wide = Image.frombytes("I;16B", (16, 16), (GREY.astype(">u2") * 257).tobytes())
    assert np.array_equal(seen(wide, form="TIFF"), GREY)


@pytest.mark.parametrize(
    "values",
    [
        GREY.astype(np.float32) / 255,
        GREY.astype(np.float32),
        GREY.astype(np.float32) * 1e6,
        GREY.astype(np.int32),
        GREY.astype(np.int32) * 257,
        GREY.astype(np.int32) * 1000 - 20_000,
    ],
)
def test_wide_numbers_fill_their_range(values):
    found = seen(Image.fromarray(values), form="TIFF")
    np.testing.assert_allclose(found, GREY, atol=1)


def test_numbers_that_are_none_are_black():
    values = GREY.astype(np.float32) / 255
    values[0, 0], values[0, 1] = np.nan, np.inf
    found = seen(Image.fromarray(values), form="TIFF")
    assert found[0, 0] == found[0, 1] == 0
    np.testing.assert_allclose(found[1:], GREY[1:], atol=1)


def palette(transparent=True):
    image = Image.new("P", (16, 16), 0)
    image.putpalette([10, 20, 30, 255, 0, 0])
    image.paste(1, (0, 0, 8, 16))
    if transparent:
        image.info["transparency"] = 0
    return image


RED_ON_WHITE = {"left": (255, 0, 0), "right": (255, 255, 255)}


@pytest.mark.parametrize(
    ("image", "form"),
    [
        (palette().convert("RGBA"), "PNG"),
        (palette().convert("RGBA"), "WEBP"),
        (palette().convert("RGBA"), "TIFF"),
        (palette(), "PNG"),
        (palette(), "GIF"),
    ],
)
def test_transparent_is_white(image, form):
    how = {"lossless": True} if form == "WEBP" else {}
    found = open_image(encoded(image, form, **how))
    assert found.mode == "RGB"
    assert {"left": found.getpixel((1, 1)), "right": found.getpixel((14, 1))} == RED_ON_WHITE


def test_half_transparent_grey_lies_on_white():
    image = Image.new("LA", (4, 4), (0, 127))
    assert open_image(encoded(image)).mode == "L"
    assert abs(int(seen(image)[0, 0]) - 128) <= 1


def test_one_transparent_colour_is_white():
    image = Image.new("RGB", (4, 4), (9, 9, 9))
    assert seen(image, transparency=(9, 9, 9)).min() == 255


def test_other_modes_are_their_colours():
    assert open_image(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG")).getpixel(
        (1, 1)
    ) == pytest.approx((254, 0, 0), abs=3)
    assert open_image(encoded(palette(transparent=False))).getpixel((14, 1)) == (10, 20, 30)
    bits = ramp().convert("1")
    assert np.array_equal(seen(bits), np.asarray(bits.convert("L")))
    frames = [Image.new("L", (4, 4), value) for value in (40, 200)]
    for form in ("GIF", "PNG", "WEBP", "TIFF"):
        how = {"lossless": True} if form == "WEBP" else {}
        first = encoded(frames[0], form, save_all=True, append_images=frames[1:], **how)
        assert open_image(first).convert("L").getpixel((1, 1)) == 40


@given(
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"]),
    form=st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "TGA"]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_every_picture_that_can_be_written_is_plain_and_keeps_its_size(mode, form, size):
    try:
        data = encoded(Image.new(mode, size), form)
    except (OSError, ValueError, KeyError):
        return  # no such file
    assert image_problem(data) is None
    found = open_image(data)
    assert found.mode in ("L", "RGB")
    assert found.size == size


def test_the_page_and_the_encoder_see_the_same_pixels():
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encoded(ramp(28).rotate(90), "PNG", exif=exif)  # turned by 90, to be turned back
    upright = encoded(ramp(28))
    encoder = load_encoder("vgg:trunk.safetensors", root=TRUNK.parent)
    both = encoder.encode([lying, upright])
    assert np.array_equal(both[0], both[1])
    assert not np.allclose(encoder.encode([encoded(ramp(28).rotate(90))])[0], both[1], atol=0.1)
    assert thumbnail(lying, 28) == thumbnail(upright, 28)


def test_features_of_earlier_pixels_are_not_mixed_with_new_ones(tmp_path, picture_folder):
    made = Project.create(
        tmp_path / "made", "Made", read_source(picture_folder, ReadOptions()), "vgg:t.safetensors"
    )
    shutil.copy(TRUNK, made.root / "t.safetensors")
    quick = TrainOptions(members=2, width=4, epochs=2)
    run = train(made, quick)
    made = Project.open(made.root)
    now = made.settings.encoder_fingerprint
    earlier = made.with_settings(encoder_fingerprint=now.partition("-")[2])
    earlier.features_folder(now).rename(earlier.features_folder())
    old = np.array(earlier.features("train"))
    again = train(earlier, quick)
    assert again.record.encoder_fingerprint == run.record.encoder_fingerprint == now
    made = Project.open(made.root)
    assert made.settings.encoder_fingerprint == now
    # The earlier run still finds what it was trained on.
    assert np.array_equal(made.features("train", now.partition("-")[2]), old)


def test_a_bomb_of_another_format_is_refused_before_it_unfolds():
    ifd = [(256, 4, 1, 60_000), (257, 4, 1, 60_000), (258, 3, 1, 8), (259, 3, 1, 1),
           (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 60_000),
           (279, 4, 1, 10)]  # fmt: skip
    body = struct.pack("<H", len(ifd)) + b"".join(struct.pack("<HHII", *e) for e in ifd)
    tiff = b"II*\x00" + struct.pack("<I", 8) + body + b"\x00" * 4
    assert image_problem(tiff) == "larger than 50 million pixels"
    icon = huge_png(20_000, 20_000, rows=zlib.compress(b"\x00"))
    ico = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(icon), 22) + icon
    assert image_problem(ico) is not None
