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


def pictures_at(root, paths):
    """Files below a folder: different small pictures where names end so, else a few bytes."""
    for number, path in enumerate(sorted(paths)):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        grey = Image.new("L", (4, 4), number % 256)
        grey.putpixel((0, 0), number // 256 * 64 + 1)
        file.write_bytes(encoded(grey) if file.suffix in (".png", ".PNG") else b"x")
    return root
