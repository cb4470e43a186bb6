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
