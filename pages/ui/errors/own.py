"""A box for a sentence or an image of the user's own, explained like any item."""

import streamlit as st

from influence_core.workflow.explain.items import class_number, own_item
from influence_core.workflow.session import Session
from pages.ui.errors import compare
from pages.ui.errors.explained import explained, finished_answer, probabilities
from pages.ui.errors.switches import switches
from pages.ui.frame.shell import in_one_sentence

UNKNOWN = "not known"
MOST_MEGABYTES = 10


def own_item_box(session: Session) -> None:
    """The box; nothing happens until something is given."""
    if session.own_features:
        st.caption(
            "The features of this project are your own: to ask about a sentence or an image that "
            "is not in the data, make a project of the same rows with an encoder."
        )
        return
    text = session.project.dataset.modality == "text"
    what = "sentence" if text else "image"
    with st.expander(
        f"Explain {'a' if text else 'an'} {what} of your own", icon=":material/edit_note:",
        key="own_box",
    ):  # fmt: skip
        with st.form("own", border=False):
            given = _field(text)
            label = st.selectbox("Its true label", [UNKNOWN, *session.classes], key="own_label")
            st.form_submit_button("Explain", key="own_go")
        if not given:
            return
        with in_one_sentence():
            known = None if label == UNKNOWN else label
            class_number(session, known)
            item = own_item(session, given, known)
            beside = compare.own_beside()
            if beside is None:
                explained(session, item, own=given)
                return
            compare.back_from_own()
            options = switches(session, item)
            compare.side_by_side(session, item, beside, options, probabilities, finished_answer)


def _field(text: bool) -> str | bytes | None:
    if text:
        return st.text_area("Sentence", key="own_text", max_chars=5_000, height=80)
    file = st.file_uploader(
        "Image (PNG, JPEG or WebP)",
        type=["png", "jpg", "jpeg", "webp"],
        key="own_image",
        max_upload_size=MOST_MEGABYTES,
    )
    return None if file is None else file.getvalue()
