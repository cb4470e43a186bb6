"""Files of the user by the split that they are about, as the command line names them."""

import re

from influence_core.errors import DataError


def read_places(told: str) -> dict[str, str]:
    """`train=a.npy,test=b.npy` as files by split.

    Raises:
        DataError: it is not written so.
    """
    # A comma before no "split=" is one of a path.
    pairs = [part.partition("=") for part in re.split(r",(?=[^,=/]*=)", told)]
    places = {split.strip(): path.strip() for split, _, path in pairs}
    if len(places) < len(pairs) or not all(split and path for split, path in places.items()):
        raise DataError(
            f"{told!r} does not say which split has which probabilities; write train=a.npy or "
            "train=a.npy,test=b.npy (--proba)."
        )
    return places
