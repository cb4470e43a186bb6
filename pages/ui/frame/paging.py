"""Long lists a page at a time, as many items as the person has set; every list pages through here.

The number of items comes from the settings in the sidebar; a list only says what is standard there.
"""

import streamlit as st

from pages.ui.frame.settings import page_size


def page_of(total: int, standard: int, key: str) -> slice:
    """The part of a list that is shown; draws the page numbers if there is more than one.

    Args:
        total: items in the list.
        standard: items a page, unless set otherwise.
        key: of the page numbers; they begin again when their number changes.
    """
    size = page_size(standard)
    pages = -(-total // size)
    number = st.pagination(pages, key=key) if pages > 1 else 1
    return slice((number - 1) * size, number * size)
