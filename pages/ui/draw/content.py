"""Draw a row of the data set: an image as encoded bytes, a sentence as text that nobody interprets.

Data never passes through Markdown or HTML here: a sentence may hold an image link, a script or a
trick with text direction, and must stay a sentence.
"""

import io

import streamlit as st
from PIL import Image

from influence_core.data.dataset import Split
from influence_core.errors import DataError
from influence_core.visible import visible as visible  # noqa: PLC0414  (parts of pages use it)
from pages.ui.draw.text import plain

THUMB = 96  # pixels; small pictures grow to this without blur
LARGE = 224


@st.cache_data(max_entries=4096, show_spinner=False)
def picture(raw: bytes, size: int) -> bytes:
    image = Image.open(io.BytesIO(raw))
    if max(image.size) > 4 * size:
        image.draft("RGB", (2 * size, 2 * size))
    image = image.convert("RGB")
    scale = size / max(image.size)
    shape = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    out = io.BytesIO()
    image.resize(shape, method).save(out, "WEBP", quality=85)
    return out.getvalue()


def show(split: Split, key: int, *, alt: str, size: int = THUMB) -> None:
    """Draw the row with this key."""
    position = int(split.positions_of([key])[0])  # type: ignore[arg-type]
    if split.content_column == "text":
        st.text(visible(split.texts([position])[0]))
        return
    try:
        st.image(picture(split.image_bytes(position), size), alt=alt, width=size)
    except (DataError, OSError) as error:
        st.caption(f":material/broken_image: {plain(alt)}: the picture cannot be read")
        st.session_state.setdefault("unreadable", {})[key] = str(error)


def show_own(given: str | bytes) -> None:
    """Draw what the user typed or uploaded."""
    if isinstance(given, str):
        st.text(visible(given))
    else:
        st.image(picture(given, LARGE), alt="Your image", width=LARGE)
