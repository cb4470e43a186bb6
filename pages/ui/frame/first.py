"""What a visitor reads while a fresh server loads its libraries.

Importing torch and its like takes seconds. They are loaded by a thread as soon as the server is
started; who comes before it is done sees the product's name and what it does, not a blank page.
"""

import threading
from contextlib import suppress
from importlib import import_module

import streamlit as st

# With them comes all that the first page needs.
NEEDED = ("pages.ui.frame.shell", "pages.ui.errors.explained", "pages.ui.map")


def _load() -> None:
    # What cannot be imported says so where it is used.
    with suppress(Exception):
        for name in NEEDED:
            import_module(name)


_loading = threading.Thread(target=_load, name="libraries", daemon=True)


def load_libraries() -> None:
    """Begin; called once by the server, before its first visitor."""
    _loading.start()


def wait_for_libraries() -> None:
    """Say what this is until everything is there; draws nothing later on."""
    if not _loading.is_alive():
        return
    place = st.empty()
    with place.container():
        st.title("Turnover")
        st.write(
            "See which training rows caused a mistake, fix the data, prove that it got better."
        )
        st.caption("Loading …")
        _loading.join()
    place.empty()
