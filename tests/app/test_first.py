"""A visitor of a fresh server reads what this is while its libraries load."""

import subprocess
import sys

from streamlit.testing.v1 import AppTest

HEAVY = {"torch", "transformers", "sklearn", "numba", "datasets", "scipy", "sqlalchemy"}


def waiting():
    import streamlit as st

    from pages.ui.frame import first

    class Loading:
        def is_alive(self):
            return True

        def join(self):
            st.stop()

    first._loading = Loading()
    first.wait_for_libraries()


def loaded():
    from pages.ui.frame import first

    class Loading:
        def is_alive(self):
            return True

        def join(self):
            pass

    first._loading = Loading()
    first.wait_for_libraries()


def test_the_name_and_what_it_does_stand_there_at_once(monkeypatch):
    monkeypatch.setattr("pages.ui.frame.first._loading", None)
    test = AppTest.from_function(waiting).run()
    assert not test.exception
    assert test.title[0].value == "Turnover"
    assert "training rows" in test.markdown[0].value


def test_nothing_of_it_is_left_when_all_is_there(monkeypatch):
    monkeypatch.setattr("pages.ui.frame.first._loading", None)
    test = AppTest.from_function(loaded).run()
    assert not test.exception
    assert [len(test.title), len(test.markdown), len(test.caption)] == [0, 0, 0]


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
    assert found & {"datasets", "cleanlab", "sklearn", "transformers", "umap"} == set()
