"""Opening pictures that strangers made: bounded size, few formats, one kind of error.

Readers check every picture once at import; encoders and pages open them through here too, so that a
decompression bomb or a broken file is refused at each door with the same sentence.
"""

import io
from pathlib import PurePath

from PIL import Image

from influence_core.errors import DataError

MAX_PIXELS = 50_000_000
# Few and plain: every further decoder of Pillow is a further door.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


def is_image_name(name: str) -> bool:
    """Whether a file name ends like a picture's."""
    return PurePath(name).suffix.lower() in SUFFIXES


def open_image(data: bytes, name: str = "the image") -> Image.Image:
    """Decode one picture (the first frame of an animation), in its own mode.

    Args:
        data: encoded bytes.
        name: for the error message.

    Raises:
        DataError: not a picture of a known format, broken, or larger than 50 million pixels.
    """
    image, problem = _decode(data, reduce=False)
    if image is None:
        raise DataError(f"{name} cannot be used: it is {problem}; save it again or leave it out.")
    return image


def image_problem(data: bytes) -> str | None:
    """What these bytes are instead of a usable picture, or None; reads all of them.

    For example "not a readable PNG, JPEG, WEBP, GIF or BMP".
    """
    return _decode(data, reduce=True)[1]


def _decode(data: bytes, reduce: bool) -> tuple[Image.Image | None, str | None]:
    """The picture, or what is wrong with it."""
    too_large = f"larger than {MAX_PIXELS // 10**6} million pixels"
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            return None, too_large
        if reduce:
            # A JPEG is decoded at an eighth of its size: every byte is read, in half the time.
            image.draft(None, (image.width // 8 or 1, image.height // 8 or 1))
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None, too_large
    except Exception:  # Pillow's decoders raise whatever they trip over.
        return None, f"not a readable {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    return image, None
