import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import huge_png

from influence_core.data.dataset import Split
from influence_core.data.images import image_problem, is_image_name, open_image, thumbnail
from influence_core.errors import DataError


def _encoded(form: str, size: tuple[int, int] = (20, 12)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_common_formats_open(form):
    assert image_problem(_encoded(form)) is None
    assert open_image(_encoded(form)).size == (20, 12)


@pytest.mark.parametrize(("width", "height"), [(7_100, 7_100), (10_000, 10_000), (60_000, 60_000)])
def test_bombs_are_refused_before_they_unfold(width, height):
    assert image_problem(huge_png(width, height)) == "larger than 50 million pixels"
    with pytest.raises(DataError, match=r"big\.png cannot be used: it is larger than 50 million"):
        open_image(huge_png(width, height), "big.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_truncated_pictures_are_unreadable(form):
    data = _encoded(form, (64, 64))
    assert "not a readable" in str(image_problem(data[: len(data) // 2]))


@pytest.mark.parametrize(
    "data", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_unreadable(data):
    assert "not a readable" in str(image_problem(data))


@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]), st.data())
def test_any_damage_is_a_picture_or_an_error_of_ours(form, data):
    damaged = bytearray(_encoded(form))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        open_image(bytes(damaged))
    except DataError as error:
        assert "cannot be used" in str(error)


def test_names_of_pictures():
    assert is_image_name("a/B.PNG")
    assert not is_image_name("notes.txt")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (2_000, 10), (900, 700)])
def test_thumbnails_have_one_size_and_keep_the_shape(form, size):
    small = Image.open(io.BytesIO(thumbnail(_encoded(form, size), 96)))
    assert small.format == "WEBP"
    assert max(small.size) == 96
    assert min(small.size) == max(1, round(min(size) * 96 / max(size)))


def test_a_large_jpeg_is_not_decoded_whole_for_a_thumbnail():
    assert open_image(_encoded("JPEG", (1_600, 800)), near=96).size == (200, 100)


def test_a_file_that_has_grown_is_not_read(tmp_path):
    (tmp_path / "a.png").write_bytes(_encoded("PNG"))
    split = Split("train", pa.table({"image_path": ["a.png"]}), tmp_path)
    assert open_image(split.image_bytes(0)).size == (20, 12)
    with (tmp_path / "a.png").open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(DataError, match=r"'a\.png' is larger than 50 MB"):
        split.image_bytes(0)
