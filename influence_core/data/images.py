"""Opening pictures that strangers made: bounded size, known formats, one meaning of their pixels.

Readers check every picture once at import; encoders and pages open them through here too, so that a
decompression bomb or a broken file is refused at each door with the same sentence, and an encoder
sees the very pixels that people see: upright, 8 bits, on white.
"""

import base64
import io
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from influence_core.errors import DataError

MAX_PIXELS = 50_000_000
MAX_BYTES = 50 << 20
# Of all pictures of a source together: so many, and so many more for each byte of theirs.
FREE_PIXELS = 500_000_000
PIXELS_A_BYTE = 400  # a scan in black and white has 300
# What people keep pictures in. Pillow can open more, but each decoder is one more door: those that
# start other programs (EPS), hold no pictures (MPEG) or are hardly used stay shut.
SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf"),
    "PPM": (".pgm", ".ppm", ".pbm", ".pnm", ".pfm"),
    "ICO": (".ico",),
    "PCX": (".pcx",),
    "QOI": (".qoi",),
    "TGA": (".tga",),  # the last: it is known by its lack of anything that speaks against it
}
FORMATS = tuple(SUFFIXES)
# Begins the fingerprint of every image encoder and changes with what `open_image` makes of a file,
# so features of other pixels are not mixed with these.
PIXELS = "pixels2"
_KNOWN = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
# Pictures that no format here reads; they are named when they are passed over.
UNREAD = frozenset([
    ".heic", ".heif", ".svg", ".psd", ".eps", ".raw", ".dng", ".cr2", ".nef", ".arw", ".jxl",
    ".dcm", ".fits", ".exr", ".hdr", ".dds", ".xcf", ".emf", ".wmf", ".icns", ".xpm", ".xbm",
])  # fmt: skip
LEAST_BASE64 = 40
_DATA_URL = re.compile(r"\s*data:image/[\w.+-]+;base64,", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")
# Of PNG, JPEG, GIF, WebP and the two of TIFF.
_BEGINNINGS = ("iVBORw0KGgo", "/9j/", "R0lGODlh", "R0lGODdh", "UklGR", "SUkqA", "TU0AK")


def is_image_name(name: str) -> bool:
    """Whether a file name ends like a picture's."""
    return os.path.splitext(name)[1].lower() in _KNOWN  # noqa: PTH122  (a path object costs ten)


def from_base64(text: str | None) -> bytes | None:
    """A picture written as text, perhaps as in a page ("data:image/png;base64,..."), or None.

    Only formats are taken that say what they are in their first bytes; a word is no picture.
    """
    bare = _BLANKS.sub("", _DATA_URL.sub("", text or "", count=1))
    if not bare.startswith(_BEGINNINGS) or len(bare) < LEAST_BASE64:
        return None
    with suppress(ValueError):
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    return None


def present_path(root: Path, name: str) -> str | None:
    """What a picture's file is called below a folder, None if there is none.

    A list that was made elsewhere may have backslashes, blanks at the ends, letters composed in
    another way, or begin with folders above `root`; the file itself decides. Nothing outside of
    the folder is asked for.
    """

    def spelled() -> Iterator[str]:
        yield name
        yield name.strip()
        parts = [part for part in name.strip().replace("\\", "/").split("/") if part != "."]
        yield "/".join(parts)
        yield "/".join(part for part in parts if part != "..")
        yield from ("/".join(parts[i:]) for i in range(1, len(parts)) if parts[i - 1] == root.name)
        yield from (unicodedata.normalize(form, "/".join(parts)) for form in ("NFC", "NFD"))

    for path in spelled():
        inside = path and path[0] != "/" and ".." not in path.split("/")
        with suppress(OSError, ValueError):
            if inside and (root / path).is_file():
                return path
    return None


def open_image(data: bytes, name: str = "the image", *, near: int = 0) -> Image.Image:
    """Decode one picture (the first frame of an animation) as everyone is to see it.

    It stands upright, as its camera says, is grey ("L") or coloured ("RGB") with 8 bits a channel,
    and lies on white where it is transparent.

    Args:
        data: encoded bytes.
        name: for the error message.
        near: pixels of the longer side that will do; a JPEG is decoded at no more than it takes.

    Raises:
        DataError: not a picture of a known format, broken, or larger than 50 million pixels or
            50 MB.
    """
    image, problem = _decode(data, lambda longer: longer // (2 * near) if near else 1)
    if image is None:
        raise DataError(f"{name} cannot be used: it is {problem}; save it again or remove it.")
    return image


def _as_seen(image: Image.Image) -> Image.Image:
    """The picture upright, in mode L or RGB, opaque."""
    with suppress(Exception):  # a damaged note of the camera's makes no damaged picture
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image)
    if image.mode == "La":
        image = image.convert("LA")
    grey = image.mode in ("1", "L", "LA")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.new("RGBA", clear.size, "white")
        image.alpha_composite(clear)
    mode = "L" if grey else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of 16 or 32 bits as 8: by the range that they are meant to fill.

    Sixteen bits are always cut to the upper eight, so pictures stay comparable. Wider and broken
    numbers do not say their range: the smallest usual one that holds them is taken, else they are
    stretched to their own.
    """
    values = np.asarray(image)
    if values.dtype.kind == "u" or image.format == "PPM":
        return Image.fromarray((values.clip(0, 65535).astype(np.uint16) >> 8).astype(np.uint8))
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    usual = ([1.0] if values.dtype.kind == "f" else []) + [255.0, 65535.0]
    top = next((most for most in usual if low >= 0 and high <= most), None)
    bottom, top = (0.0, top) if top is not None else (low, high)
    scaled = (numbers - bottom) * (255.0 / max(top - bottom, 1e-30))
    return Image.fromarray(np.round(scaled).clip(0, 255).astype(np.uint8))


def thumbnail(data: bytes, size: int) -> bytes:
    """A copy as WebP whose longer side has `size` pixels; what else was in the file stays behind.

    Smaller pictures grow to that, without blur.

    Raises:
        DataError: as `open_image`.
    """
    image = open_image(data, "the picture", near=size).convert("RGB")
    scale = size / max(image.size)
    shape = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    out = io.BytesIO()
    image.resize(shape, method).save(out, "WEBP", quality=85)
    return out.getvalue()


@dataclass
class PixelBudget:
    """Pixels of all pictures of a source together, counted by their headers before they unfold."""

    place: str
    pixels: int = 0
    size: int = 0

    def spend(self, pixels: int, size: int) -> None:
        """Count one more picture, of so many encoded bytes.

        Raises:
            DataError: all together unfold to more than their size explains.
        """
        self.pixels += pixels
        self.size += size
        if self.pixels > FREE_PIXELS + PIXELS_A_BYTE * self.size:
            raise DataError(
                f"The pictures of {self.place} have more than {FREE_PIXELS // 10**6:,} million "
                "pixels together, which their size does not explain; save them smaller or remove "
                "some."
            )


def image_problem(data: bytes, budget: PixelBudget | None = None) -> str | None:
    """What these bytes are instead of a usable picture, or None; reads all of them.

    For example "not a readable PNG, JPEG, TIFF or other picture".

    Raises:
        DataError: the budget of all pictures is spent.
    """
    # A JPEG is decoded at an eighth of its size: every byte is read, in half the time.
    return _decode(data, lambda longer: 8, budget)[1]


def count_pixels(data: bytes, budget: PixelBudget) -> None:
    """Spend what this picture's header promises; a broken one costs nothing.

    Raises:
        DataError: the budget of all pictures is spent.
    """
    _decode(data, None, budget)


def pixels_of(data: bytes) -> tuple[int, int]:
    """Width and height, by the head of the file alone.

    Raises:
        DataError: it is no picture, or too large a one.
    """
    image, problem = _decode(data, None)
    if image is None:
        raise DataError(f"The picture cannot be used: it is {problem}; save it again or remove it.")
    return image.size


def _decode(
    data: bytes, share: Callable[[int], int] | None, budget: PixelBudget | None = None
) -> tuple[Image.Image | None, str | None]:
    """The picture, or what is wrong with it.

    `share` says what part of the longer side's pixels will do, where the format can do with less;
    without, only the header is read.
    """
    if len(data) > MAX_BYTES:
        return None, f"larger than {MAX_BYTES >> 20} MB"
    too_large = f"larger than {MAX_PIXELS // 10**6} million pixels"
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            return None, too_large
        if budget is not None:
            budget.spend(image.width * image.height, len(data))
        if share is not None:
            part = max(share(max(image.size)), 1)
            image.draft(None, (image.width // part or 1, image.height // part or 1))
            image.load()
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError  # an icon may hold another than it says
            image = _as_seen(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None, too_large
    except Exception:  # Pillow's decoders raise whatever they trip over.
        return None, "not a readable PNG, JPEG, TIFF or other picture"
    return image, None
