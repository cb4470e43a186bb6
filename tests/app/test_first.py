"""A visitor of a fresh server reads what this is while its libraries load."""

import platform
import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

HEAVY = {"torch", "transformers", "sklearn", "numba", "datasets", "scipy", "sqlalchemy"}
# What the first list is made of, as Streamlit calls it.
PARTS = ["plotly_chart", "button_group", "selectbox", "text_input", "button"]


def waiting():
    import streamlit as st

    from pages.ui.frame import first

    class Loading:
        def is_alive(self):
            return True

        def join(self):
            st.stop()

    first._loading = Loading()
    first._parts.set()
    first.wait_for_libraries()


def loaded():
    from pages.ui.frame import first

    class Loading:
        def is_alive(self):
            return True

        def join(self):
            pass

    first._loading = Loading()
    first._parts.set()
    first.wait_for_libraries()


def test_the_name_and_what_it_does_stand_there_at_once(monkeypatch):
    monkeypatch.setattr("pages.ui.frame.first._loading", None)
    test = AppTest.from_function(waiting).run()
    assert not test.exception
    assert test.title[0].value == "Turnover"
    assert "training rows" in test.markdown[0].value


def blocks(parent):
    for child in parent.children.values():
        if isinstance(child, Block):
            yield child
            yield from blocks(child)


def test_what_the_browser_fetches_meanwhile_is_not_seen(monkeypatch):
    monkeypatch.setattr("pages.ui.frame.first._loading", None)
    test = AppTest.from_function(waiting).run()
    (hidden,) = [block for block in blocks(test.main) if "unseen_parts" in block.proto.id]
    assert [element.type for element in hidden.children.values()] == PARTS
    # All of them stand in there, and nowhere else.
    assert [len(test.get(part)) for part in PARTS] == [1] * len(PARTS)


def test_nothing_of_it_is_left_when_all_is_there(monkeypatch):
    monkeypatch.setattr("pages.ui.frame.first._loading", None)
    test = AppTest.from_function(loaded).run()
    assert not test.exception
    gone = "title", "markdown", "caption", *PARTS
    assert [len(test.get(part)) for part in gone] == [0] * len(gone)


def names_after(code):
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_words_wait_for_nothing_heavy():
    assert names_after("import pages.ui.frame.first") & HEAVY == set()


def test_the_first_page_loads_only_what_it_needs():
    code = "from pages.ui.frame.first import NEEDED\nfor name in NEEDED: __import__(name)"
    found = names_after(code)
    assert "torch" in found
    assert found & {"datasets", "cleanlab", "sklearn", "transformers", "umap", "numba"} == set()


LATER = """
import sys
from streamlit.testing.v1 import AppTest
import streamlit.runtime.scriptrunner.magic_funcs, streamlit.testing.v1.local_script_runner
from pages.ui.frame import first
for name in first.PARTS_NEED: __import__(name)
before = {*sys.modules}
page = "from pages.ui.frame import first; first._fetch_parts()"
assert not AppTest.from_string(page).run(timeout=300).exception
print(*{name for name in {*sys.modules} - before if name.startswith(("plotly", "pandas"))})
"""


def test_two_threads_never_import_the_same_library_at_once():
    """Each would take another part first, and may then find it half made."""
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# Threads that all live at once, each with memory of its own; then what glibc says of its heaps.
HEAPS = """
import ctypes, threading
from pages.ui.frame import first
if {limited}:
    first._share_heaps()
all_there = threading.Barrier(12)
def work():
    kept = [bytearray(2_000) for _ in range(200)]
    all_there.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(library.fopen(b"/dev/stdout", b"w"))
library.malloc_info(0, file)
library.fflush(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has such heaps")
@pytest.mark.parametrize("limited", [True, False])
def test_all_threads_of_the_server_share_two_heaps(limited):
    code = HEAPS.format(limited=limited)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.count("<heap nr=") <= 2) == limited
