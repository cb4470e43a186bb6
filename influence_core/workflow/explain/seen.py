"""A picture as an encoder sees it: after its crop, size and colours. For pages."""

import io

import numpy as np
from PIL import Image

from influence_core.data.images import open_image
from influence_core.models.images import ImageEncoder
from influence_core.workflow.session import Session


def seen_by_encoder(session: Session, content: str | bytes) -> bytes | None:
    """A PNG of what the encoder is given, its values stretched to the whole range.

    None of a sentence, or of an encoder that does not tell how it prepares a picture.

    Raises:
        DataError: the picture cannot be read. ModelError: the encoder cannot be loaded.
    """
    if isinstance(content, str):
        return None
    encoder = session.encoder()
    if not isinstance(encoder, ImageEncoder):
        return None
    values = encoder.prepare(open_image(content)).float().cpu().numpy()  # (channels, height, width)
    low, high = float(values.min()), float(values.max())
    grey = (255 * (values - low) / max(high - low, 1e-12)).round().astype(np.uint8)
    picture = Image.fromarray(grey[0] if len(grey) == 1 else grey.transpose(1, 2, 0))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
