"""What a visitor reads while a fresh server loads its libraries.

Importing torch and its like takes seconds. A thread loads them, and opens the run that is shown
first, as soon as the server is started; who comes before it is done sees the product's name and
what it does, not a blank page, and the browser fetches what the first list is made of.
"""

import ctypes
import gc
import sys
import threading
from contextlib import suppress
from importlib import import_module

import streamlit as st

M_ARENA_MAX = -8  # in malloc.h
# With them comes all that the first page needs.
# What Streamlit imports when it draws those that the browser may fetch early.
PARTS_NEED = (
    *("pandas", "plotly.graph_objs._figure", "plotly.graph_objs._deprecations"),
    *("plotly.animation", "plotly.io._json", "plotly.offline", "plotly.tools"),
)
NEEDED = ("pages.ui.frame.shell", "pages.ui.errors.explained", "pages.ui.map")
SWITCHES = 0.0005  # seconds after which a thread that waits for Python gets it; 0.005 by default


def _load() -> None:
    # Imports make millions of objects, none of which is garbage: looking for it would be a quarter
    # of the time. And who draws the first words should not wait long for its turn meanwhile.
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCHES)
    gc.disable()
    try:
        try:
            for name in PARTS_NEED:
                import_module(name)
        finally:
            _parts.set()
        for name in NEEDED:
            import_module(name)
        import_module(NEEDED[0]).open_first()
    except Exception:  # what cannot be imported says so where it is used
        return
    finally:
        gc.enable()
        gc.freeze()
        sys.setswitchinterval(usual)


_parts = threading.Event()
_loading = threading.Thread(target=_load, name="libraries", daemon=True)


def load_libraries() -> None:
    """Begin; called once by the server, before its first visitor."""
    _share_heaps()
    _loading.start()


def _share_heaps() -> None:
    """Let all threads take memory from two heaps.

    Streamlit runs every click in a new thread, and glibc gives threads up to eight heaps a core,
    each of which keeps what was freed in it: twice as much growth over 1,000 clicks
    (`python -m benchmarks.reliability memory`). Other libraries have no such setting.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


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
        # Two threads that import a library at once, each another part first, may find it half made.
        _parts.wait()
        _fetch_parts()
        _loading.join()
    place.empty()


def _fetch_parts() -> None:
    """Draw, unseen, one of each thing that the first list is made of.

    The browser fetches the code of each kind when it first meets it, that of charts for a second;
    now it has the time.
    """
    with st.container(key="unseen_parts"):
        st.plotly_chart({"data": [{}]}, key="unseen_chart", alt="none yet")
        st.segmented_control("None yet", ["none"], key="unseen_control")
        st.selectbox("None yet", ["none"], key="unseen_menu")
        st.text_input("None yet", key="unseen_text")
        st.button("None yet", key="unseen_button")
