import base64
import io
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from influence_core.cleansing.choose import ClassChange
from influence_core.errors import StoreError
from influence_core.workflow.cleanse.report_charts import Curve, Dots, dot_plot, line_plot
from influence_core.workflow.cleanse.report_page import (
    ArmResult,
    CleansingReport,
    Example,
    report_html,
    write_report,
)

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> ![x](http://e.vil/x) {style} ☃"
OPEN = {"img", "br", "meta"}


class _Page(HTMLParser):
    """Tags, attributes and words of a page; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.words, self._stack = [], [], [], []
        self.feed(text)
        assert self._stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in OPEN:
            self._stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def _png(size=(400, 300)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(out, "PNG")
    return out.getvalue()


def _report(word: str) -> CleansingReport:
    return CleansingReport(
        title=word,
        verdicts=[word],
        facts=[(word, word)],
        warnings=[word],
        results=[
            ArmResult(word, "nothing", [75.0, 75.5]),
            ArmResult(word, word, [77.0, 77.5], (2.0, 1.5, 2.5)),
        ],
        slices=[(word, "12", "75.0", "80.0", word)],
        curves=[Curve(word, [(0, 75, 74, 76), (1, 76, 75, 77)])],
        classes=[ClassChange(word, 100, 30, 5, 2, too_much=True)],
        examples=[
            Example(word, word, word, None, -0.5, 0.1, word),
            Example(word, _png(), word, word),
            Example(word, b"no picture", word, word),
        ],
    )


def test_nothing_of_the_data_becomes_markup():
    safe, evil = _Page(report_html(_report("plain"))), _Page(report_html(_report(EVIL)))
    assert evil.tags == safe.tags
    assert "script" not in evil.tags
    assert not [name for name, _ in evil.attributes if name.startswith("on")]
    assert EVIL in "".join(evil.words)


@given(st.text(max_size=30))
def test_any_text_leaves_the_page_whole(word):
    assert _Page(report_html(_report(word))).tags == _Page(report_html(_report("plain"))).tags


def test_the_page_loads_nothing():
    page = _Page(report_html(_report("plain")))
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(page.tags)
    addresses = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "url(" not in report_html(_report("plain"))
    (policy,) = [v for n, v in page.attributes if n == "content" and "default-src" in v]
    assert policy.startswith("default-src 'none'")


def test_numbers_stand_in_the_tables():
    words = " ".join(_Page(report_html(_report("plain"))).words)
    for number in ("75.2 ± 0.4", "+2.0 (+1.5 to +2.5)", "-0.5 ± 0.1", "67", "plain ⚠"):
        assert number in words


def test_pictures_are_small_copies_and_broken_ones_say_so():
    html = report_html(_report("plain"))
    (coded,) = re.findall(r"base64,([^\"]+)", html)
    assert max(Image.open(io.BytesIO(base64.b64decode(coded))).size) == 160
    assert "is not a readable PNG" in html


def test_an_empty_report_is_a_page():
    assert "<h1>Nothing</h1>" in report_html(CleansingReport("Nothing"))


def test_long_texts_are_cut():
    html = report_html(CleansingReport("t", examples=[Example("1", "x" * 10_000, "a", None)]))
    assert "x" * 400 + "…" in html
    assert "x" * 401 not in html


def test_a_report_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Cannot write"):
        write_report(CleansingReport("t"), tmp_path / "file" / "report.html")
    write_report(CleansingReport("t"), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=5)


@given(
    st.lists(
        st.builds(Dots, st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), VALUES),
        max_size=4,
    )
)
def test_dot_plots_are_well_formed_and_inside_their_frame(rows):
    svg = ElementTree.fromstring(dot_plot(rows, "t", "%"))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    dots = svg.findall(".//circle")
    assert len(dots) == sum(math.isfinite(v) for row in rows for v in row.values)
    assert all(0 <= float(d.attrib["cx"]) <= width for d in dots)
    assert all(0 <= float(d.attrib["cy"]) <= height for d in dots)


def test_dots_stand_in_the_order_of_their_values():
    svg = ElementTree.fromstring(dot_plot([Dots("a", [3.0, 1.0, 2.0])], "t", "%"))
    places = [float(d.attrib["cx"]) for d in svg.findall(".//circle")]
    assert places[1] < places[2] < places[0]
    assert places[2] - places[1] == pytest.approx(places[0] - places[2], abs=0.2)


def test_lines_rise_where_values_rise():
    curve = Curve("a", [(0, 70, 69, 71), (1, 75, 74, 76), (2, 72, 71, float("nan"))])
    svg = ElementTree.fromstring(line_plot([curve], "t", "x", "y"))
    heights = [float(d.attrib["cy"]) for d in svg.findall(".//circle")]
    assert heights[0] > heights[1]
    assert len(heights) == 2  # the point without a number is left out
