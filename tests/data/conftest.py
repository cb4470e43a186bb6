"""Small real inputs that several tests of readers share."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture_folder(tmp_path):
    """Folder `pictures/<class>/<i>.png`: 2 classes of 6 different pictures."""
    rng = np.random.default_rng(0)
    root = tmp_path / "pictures"
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root
