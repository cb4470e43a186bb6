"""Links to what is not there open nothing and say so; what is switched to forgets the open item."""

import pytest
from errors_page import APP, start, worst
from streamlit.testing.v1 import AppTest

PAGES = ("errors", "labels", "cleanse", "trust", "runs")


def told(test):
    return " ".join(box.value.replace("\\", "") for box in test.error)


@pytest.mark.parametrize("page", PAGES)
def test_a_link_to_a_project_that_is_not_there_opens_none(page):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.query_params["project"] = "nosuch"
    test.run()
    if page != "errors":
        test.query_params["project"] = "nosuch"
        test.switch_page(f"pages/{page}.py").run()
    assert "There is no project nosuch here" in told(test)
    menus = [box.key for box in test.selectbox if box.key.startswith(("project", "run"))]
    assert menus == ["project_instead"]
    assert not test.exception


def test_a_project_that_was_open_and_is_gone_opens_no_other():
    test = start(project="tickets")  # as the state of a session has it
    assert "There is no project tickets here" in told(test)


@pytest.mark.parametrize("what", ["run", "split"])
def test_a_link_to_a_run_or_split_that_is_not_there_opens_none(what):
    _, wrong = worst("reviews")
    address = {what: "no-such *one*", "item": f"{wrong['key'][0]:016x}"}
    test = start(project="reviews", address=address)
    for _ in range(2):
        assert f"There is no {what} no-such *one* here" in told(test)
        assert not test.exception
        assert not [b for b in test.button if b.label in ("Verify", "Explain")]
        test.run()


def test_another_split_forgets_the_item():
    _, wrong = worst("reviews")
    test = start(project="reviews", item=f"{wrong['key'][0]:016x}")
    other = next(name for name in test.selectbox(key="split").options if name != "test")
    test.selectbox(key="split").select(other).run()
    assert not test.error
    assert "item" not in test.query_params
    assert any(f"split {other}" in box.value.replace("\\", "") for box in test.caption)
