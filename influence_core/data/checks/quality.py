"""The findings about how pictures look, by CleanVision: dark, light, blurred, odd, next to empty.

Its measures and its thresholds, picture by picture, without its data set and its processes; it is
the extra `quality`, and without it nothing is measured. Brightness, contents and blur are taken of
a picture of 256 pixels at most, size and shape of the file's own.
"""

import math
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image

from influence_core.data.checks.finding import Finding, Found, rows_have
from influence_core.data.dataset import Dataset

if TYPE_CHECKING:
    from influence_core.data.checks.looks import Looks

Measured = dict[str, float | str]
NEEDED = "the extra `quality` (pip install 'cleanvision>=0.3.7')"
USUAL = 0.1  # of all pictures; what more of them are is how they are, and not odd
KINDS = {
    "dark": "a picture that is dark all over",
    "light": "a picture that is bright all over",
    "low_information": "a picture with next to nothing in it",
    "blurry": "a blurred picture",
    "odd_size": "a picture of another size than the others",
    "odd_aspect_ratio": "a picture that is much longer than wide, or wider than long",
    "grayscale": "a grey picture among coloured ones",
}
_OF_PIXELS = ("dark", "low_information", "blurry", "grayscale")  # light is measured with dark
ADVICE = "A model learns little from such pictures: save them again, or delete their files."


@cache
def can_measure() -> bool:
    """Whether the extra is installed."""
    return find_spec("cleanvision") is not None


def measured(image: Image, size: tuple[int, int]) -> Measured:
    """What CleanVision measures of one picture; {} without it.

    Args:
        image: grey or coloured, perhaps smaller than the file's.
        size: width and height of the file's, in pixels.
    """
    if not can_measure():
        return {}
    known = _manager().image_properties
    of_pixels = {k: v for name in _OF_PIXELS for k, v in known[name].calculate(image).items()}
    width, height = size
    shape = min(width / height, height / width)
    return {**of_pixels, "size": math.sqrt(width * height), "aspect_ratio": shape}


def odd_looks(dataset: Dataset, looks: "Looks") -> Found:
    """Pictures of each kind, by split; nothing without the extra."""
    if not looks.places or not looks.measured[0]:
        return
    import pandas as pd

    raw, manager = pd.DataFrame(looks.measured), _manager()
    for kind, what in KINDS.items():
        asked, options = manager.image_properties[kind], manager.params[kind]
        scores = asked.get_scores(
            raw_scores=raw[asked.score_columns].copy(), issue_type=kind, **options
        )
        marked = asked.mark_issue(scores, kind, options.get("threshold"))
        odd = np.flatnonzero(marked.iloc[:, 0].to_numpy())
        if len(odd) > max(1, USUAL * len(raw)):
            continue
        for split in dataset:
            own = [looks.places[i] for i in odd.tolist()]
            rows = np.array([at for name, at in own if name == split.name], dtype=np.int64)
            if rows.size:
                told = rows_have(rows, what, split)
                yield Finding("odd-pictures", "note", told, split.name, rows, ADVICE)


@cache
def _manager() -> Any:
    from cleanvision.issue_managers import image_property_issue_manager

    return image_property_issue_manager.ImagePropertyIssueManager()
