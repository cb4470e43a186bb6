"""Every page, view and box of both samples is drawn to its end, whatever is chosen on it."""

import pytest
from errors_page import APP, worst
from streamlit.testing.v1 import AppTest

SAMPLES = ("fashion", "reviews")
PAGES = ("projects", "errors", "explore", "labels", "cleanse", "trust", "runs")
LARGEST = 96  # items per page: the more stand beside each other, the likelier two share a key


def opened(sample, page, address=None, **switches):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = sample
    test.session_state["chosen_size"] = LARGEST
    for name, value in (address or {}).items():
        test.query_params[name] = value
    if page != "errors":
        test.run().switch_page(f"pages/{page}.py")
    for name, value in switches.items():
        test.session_state[name] = value
    return test.run()


def whole(test):
    """Nothing broke; a page that did says so in an error box. So does a check that was not passed,
    as the smoothness of *reviews* on Trust."""
    assert not test.exception
    assert [box.value for box in test.error if ": failed.**" not in box.value] == []
    return test


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_page_is_drawn(sample, page):
    whole(opened(sample, page))


@pytest.mark.parametrize("view", ["one", "many", "copies", "map"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_view_of_labels_is_drawn_on_all_its_pages(sample, view):
    test = whole(opened(sample, "labels", view=view))
    if view == "copies" and sample == "fashion":
        assert sum(" · Near copies**" in box.value for box in test.markdown) == 22


@pytest.mark.parametrize("sample", SAMPLES)
def test_both_views_of_errors_are_drawn(sample):
    for view in ("items", "rows"):
        whole(opened(sample, "errors", errors_view=view))


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_switch_of_an_open_item_is_drawn(sample):
    key = int(worst(sample)[1]["key"].iloc[0])
    for toward in ("predicted", "true"):
        for among in ("all", "predicted", "true"):
            whole(
                opened(
                    sample, "errors", {"item": f"{key:016x}"}, toward=toward, among=among,
                    map_open=True,
                )
            )  # fmt: skip
