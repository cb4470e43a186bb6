"""Addresses that nobody's page made: every page answers to its end, and no file changes."""

from urllib.parse import quote

import pytest
from browser import server
from damage import WORDS, prints
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_client import StreamClient

from influence_core.data.keys import to_hex
from influence_core.store.project import Project

pytestmark = pytest.mark.slow
FEW = settings(max_examples=settings.default.max_examples // 5)
PAGES = ("", "home", "select", "triage", "cleansing", "evaluation", "history")
NAMES = (
    *("project", "run", "split", "item", "with", "true", "pred", "conf", "q", "errors_view"),
    *("view", "estimator", "toward", "among", "train", "making", "new", "x", "embed", ""),
    *("which", "col", "bad", "slice", "area", "explore_show"),
)
# Already as they stand in an address: bytes that are no UTF-8, NUL, half a surrogate, no escape.
RAW = st.sampled_from(
    ["%", "%00", "%FF%FE", "%ED%A0%80", "%2e%2e%2f", "+", "&", "=", "#", "%E2%80%AE", "a" * 9_000]
)
ODD = ["0" * 16, "f" * 16, "F" * 16, "-1", "1e999", "nan-nan", "50-20", "0-999", "(", "[a", "\\",
       "a/../fashion", "<script>", "![x](http://x)", ":material/x:", "$x$", "one"]  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The app with its samples, opened once, and what its own pages write into addresses."""
    home = tmp_path_factory.mktemp("app") / "home"
    with server(home) as url:
        for page in PAGES:
            StreamClient(url, "project=reviews", page).close()
        project = Project.open(home / "reviews")
        run = project.latest_run()
        own = {
            "project": ["reviews", "fashion"], "run": [run.id], "split": ["test", "valid", "train"],
            "item": [to_hex(int(project.dataset.split("test").keys[3]))],
            "with": [to_hex(int(project.dataset.train.keys[5]))],
            "true": list(project.dataset.classes), "pred": list(project.dataset.classes),
            "errors_view": ["items", "rows"], "view": ["one", "many", "twins", "map"],
        }  # fmt: skip
        yield url, home, own


@st.composite
def addresses(draw, own):
    """Parts that fit beside parts that do not, some of them twice."""
    parts = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5)):
        good = st.sampled_from(own.get(name, ["reviews"])).map(quote)
        bad = (WORDS | st.sampled_from(ODD)).map(quote) | RAW
        parts.append(f"{name}={draw(good | bad)}")
    known = draw(st.sampled_from(["", "project=reviews&", "project=fashion&"]))
    return known + "&".join(parts)


def test_every_address_is_answered(app):
    url, home, own = app
    before = prints(home)

    @FEW
    @given(page=st.sampled_from(PAGES), address=addresses(own))
    def check(page, address):
        client = StreamClient(url, address, page)
        try:
            assert client.answer.faults == []
            assert client.answer.elements
            assert client.again().faults == []
        finally:
            client.close()

    check()
    after = prints(home)
    assert {name: after.get(name) for name in before} == before
