"""Pictures as people keep them: in other modes, formats and folders than a test would choose."""

import io

import numpy as np
from PIL import Image


def ramp(size=16):
    """A grey picture that no turning or mirroring leaves as it was."""
    down, across = np.mgrid[:size, :size]
    values = 3 * down * size + across
    return Image.fromarray((values * 255 // values.max()).astype(np.uint8))


def encoded(image, form="PNG", **how):
    """A picture in a format of Pillow's."""
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".bmp": "BMP",
    ".gif": "GIF", ".avif": "AVIF", ".jp2": "JPEG2000", ".pgm": "PPM", ".tga": "TGA", ".pcx": "PCX",
    ".ico": "ICO", ".qoi": "QOI",
}  # fmt: skip


def pictures_at(root, paths, size=4):
    """Files below a folder: different small pictures where names end so, else a few bytes."""
    for number, path in enumerate(sorted(paths)):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        form = FORMATS.get(file.suffix.lower())
        grey = Image.new("RGB" if form == "QOI" else "L", (size, size), number % 256)
        grey.paste(number // 256 * 64 + 1, (0, 0, size // 2, size // 2))
        file.write_bytes(encoded(grey, form) if form else b"x")
    return root
