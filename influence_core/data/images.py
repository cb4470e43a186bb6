"""Opening pictures that strangers made: bounded size, few formats, one kind of error.

Readers check every picture once at import; encoders and pages open them through here too, so that a
decompression bomb or a broken file is refused at each door with the same sentence.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from PIL import Image

from influence_core.errors import DataError

MAX_PIXELS = 50_000_000
MAX_BYTES = 50 << 20
# Of all pictures of a source together: so many, and so many more for each byte of theirs.
FREE_PIXELS = 500_000_000
PIXELS_A_BYTE = 400  # a scan in black and white has 300
# Few and plain: every further decoder of Pillow is a further door.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


def is_image_name(name: str) -> bool:
    """Whether a file name ends like a picture's."""
    return PurePath(name).suffix.lower() in SUFFIXES


def open_image(data: bytes, name: str = "the image", *, near: int = 0) -> Image.Image:
    """Decode one picture (the first frame of an animation), in its own mode.

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
        raise DataError(f"{name} cannot be used: it is {problem}; save it again or leave it out.")
    return image


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
                "pixels together, which their size does not explain; save them smaller or leave "
                "some out."
            )


def image_problem(data: bytes, budget: PixelBudget | None = None) -> str | None:
    """What these bytes are instead of a usable picture, or None; reads all of them.

    For example "not a readable PNG, JPEG, WEBP, GIF or BMP".

    Raises:
        DataError: the budget of all pictures is spent.
    """
    # A JPEG is decoded at an eighth of its size: every byte is read, in half the time.
    return _decode(data, lambda longer: 8, budget)[1]


def _decode(
    data: bytes, share: Callable[[int], int], budget: PixelBudget | None = None
) -> tuple[Image.Image | None, str | None]:
    """The picture, or what is wrong with it.

    `share` says what part of the longer side's pixels will do, where the format can do with less.
    """
    if len(data) > MAX_BYTES:
        return None, f"larger than {MAX_BYTES >> 20} MB"
    too_large = f"larger than {MAX_PIXELS // 10**6} million pixels"
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            return None, too_large
        if budget is not None:
            budget.spend(image.width * image.height, len(data))
        part = max(share(max(image.size)), 1)
        image.draft(None, (image.width // part or 1, image.height // part or 1))
        image.load()
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None, too_large
    except Exception:  # Pillow's decoders raise whatever they trip over.
        return None, f"not a readable {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    return image, None
