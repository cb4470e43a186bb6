"""Links to what is not there open nothing and say so; what is switched to forgets the open item."""

import shutil

import pytest
from errors_page import APP, start, worst
from streamlit.testing.v1 import AppTest

from influence_core.store.project import projects_home

PAGES = ("errors", "labels", "cleanse", "trust", "runs")


def told(test):
    return " ".join(box.value.replace("\\", "") for box in test.error)


@pytest.mark.parametrize("page", PAGES)
def test_a_link_to_a_project_that_is_not_there_opens_none(page):
    test = AppTest.from_file(str(APP), default_timeout=60)
    test.query_params["project"] = "nosuch"
    test.run()
    if page != "errors":
        test.query_params["project"] = "nosuch"
        test.switch_page(f"pages/{page}.py").run()
    for _ in range(2):  # and not at the next click either
        assert "There is no project nosuch here" in told(test)
        assert [box.key for box in test.selectbox if box.key.startswith(("project", "run"))] == [
            "project_instead"
        ]
        assert not test.exception
        test.run()
    test.selectbox(key="project_instead").select("reviews").run()
    assert told(test) == ""
    assert test.session_state["project"] == "reviews"


def test_a_project_that_is_removed_while_it_is_open_opens_no_other():
    start(project="reviews")
    shutil.copytree(projects_home() / "reviews", projects_home() / "tickets")
    test = start(project="tickets")
    assert not test.error
    shutil.rmtree(projects_home() / "tickets")
    for _ in range(2):
        test.run()
        assert "There is no project tickets here" in told(test)


@pytest.mark.parametrize("what", ["run", "split"])
def test_a_link_to_a_run_or_split_that_is_not_there_opens_none(what):
    _, wrong = worst("reviews")
    address = {what: "no-such *one*", "item": f"{wrong['key'][0]:016x}"}
    test = start(project="reviews", address=address)
    for _ in range(2):
        assert f"There is no {what} no-such *one* here" in told(test)
        assert not test.exception
        assert not [b for b in test.button if b.label in ("Prove it", "Explain")]
        test.run()


def test_another_project_forgets_the_item_and_the_filters():
    _, wrong = worst("reviews")
    key = f"{wrong['key'][0]:016x}"
    address = {"item": key, "with": key, "true": "positive", "conf": "10-90", "q": "film"}
    test = start(project="reviews", address=address)
    assert test.button(key="close_compare")
    test.selectbox(key="project").select("fashion").run()
    assert not test.error
    assert not test.exception
    assert not set(address) & set(test.query_params)
    assert any("fashion" in box.value and "items wrong" in box.value for box in test.caption)


def test_another_split_forgets_the_item():
    _, wrong = worst("reviews")
    test = start(project="reviews", item=f"{wrong['key'][0]:016x}")
    other = next(name for name in test.selectbox(key="split").options if name != "test")
    test.selectbox(key="split").select(other).run()
    assert not test.error
    assert "item" not in test.query_params
    assert any(f"split {other}" in box.value.replace("\\", "") for box in test.caption)
