"""Draw a row of the data set: an image as encoded bytes, a sentence as text that nobody interprets.

Data never passes through Markdown or HTML here: a sentence may hold an image link, a script or a
trick with text direction, and must stay a sentence.
"""

import streamlit as st

from influence_core.errors import DataError
from influence_core.visible import visible as visible  # noqa: PLC0414  (parts of pages use it)
from influence_core.workflow.results import Split, thumbnail
from pages.ui.draw.text import plain

THUMB = 96  # pixels; small pictures grow to this without blur
LARGE = 224


@st.cache_data(max_entries=4096, show_spinner=False)
def picture(raw: bytes, size: int) -> bytes:
    return thumbnail(raw, size)


def show(split: Split, key: int, *, alt: str, size: int = THUMB, width: int | None = None) -> None:
    """Draw the row with this key; a picture of `size` pixels as wide as `width`, or as it is."""
    position = split.position(int(key))
    if split.content_column == "text":
        st.text(visible(split.texts([position])[0]))
        return
    try:
        st.image(picture(split.image_bytes(position), size), alt=alt, width=width or size)
    except DataError as error:
        st.caption(
            f":material/broken_image: {plain(alt)}: the picture cannot be used",
            help=plain(visible(str(error))),
        )


def show_own(given: str | bytes, size: int = LARGE) -> None:
    """Draw what the user typed or uploaded."""
    if isinstance(given, str):
        st.text(visible(given))
    else:
        st.image(picture(given, size), alt="Your image", width=size)
