"""*Rows behind most errors*: counted in the background, decided and taken back on a card."""

import threading
import time

import pytest
from errors_page import start, worst

from influence_core.errors import CancelledError
from influence_core.store.project import Project, projects_home
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.explain.groups.behind import rows_behind
from influence_core.workflow.review.suspects import suspects
from pages.ui.errors import behind


def rows_view(**address):
    """The view, once the count is over."""
    test = start(address=address, project="reviews", errors_view="rows")
    while not any("those that come back" in c.value for c in test.caption):
        assert not test.exception
        time.sleep(0.05)
        test.run()
    return test


@pytest.fixture
def counted():
    return rows_behind(worst("reviews")[0], "test")


def test_rows_are_listed_decided_and_taken_back(counted):
    test = rows_view()
    assert not test.exception
    cards = [m.value for m in test.markdown if "· behind" in m.value]
    assert cards == [
        f"**{row.label}** · behind {row.errors} of {counted.looked_at} errors"
        for row in counted.table.head(24).itertuples()
    ]
    first, second = (int(key) for key in counted.table["key"].head(2))
    test.button(key=f"leave_behind_{first:016x}").click().run()
    test.button(key=f"mark_behind_{second:016x}").click().run()
    project = Project.open(projects_home() / "reviews")
    assert {e.key: e.action for e in decided_edits(project)[0]} == {
        first: "remove",
        second: "relabel",
    }
    again = rows_view()  # another browser, after a reload
    assert any("left out" in m.value for m in again.markdown)
    for key in (first, second):
        test.button(key=f"unmark_behind_{key:016x}").click().run()
    assert not test.exception
    assert decided_edits(project)[0] == ()
    test.button(key=f"worst_{first:016x}").click().run()
    assert test.query_params["item"] == f"{counted.table['worst'][0]:016x}"


def test_those_that_look_mislabelled_stand_alone_on_request(counted):
    bad = suspects(worst("reviews")[0])
    wanted = [row.errors for row in counted.table.itertuples() if row.key in bad]
    assert 0 < len(wanted) < 24
    test = rows_view()
    test.toggle(key="behind_suspects").set_value(True).run()
    assert not test.exception
    cards = [m.value for m in test.markdown if "· behind" in m.value]
    assert [int(card.split("behind ")[1].split()[0]) for card in cards] == wanted


def test_the_cards_of_an_open_error_say_how_often_a_row_comes_back(counted):
    item = f"{counted.table['worst'][0]:016x}"
    said = f"behind {counted.table['errors'][0]} errors"
    rows_view()
    test = start(item, project="reviews")
    assert not test.exception
    assert any(said in m.value for m in test.markdown)


def test_a_count_shows_how_far_it_is_is_cancelled_and_begun_again(monkeypatch):
    go_on = threading.Event()

    def slow(session, split, *, progress, cancel):
        while not go_on.wait(0.01):
            if cancel.is_set():
                raise CancelledError("stopped")
        return rows_behind(session, split, progress=progress, cancel=cancel)

    monkeypatch.setattr(behind, "rows_behind", slow)
    behind._counts().clear()
    test = start(project="reviews", errors_view="rows")
    assert not test.exception
    assert not any("· behind" in m.value for m in test.markdown)
    test.button(key="behind_cancel").click().run()
    assert any(c.value == "Cancelled." for c in test.caption)
    # The list of errors is there all the while.
    test.segmented_control(key="errors_view").set_value("items").run()
    assert any("→" in c.value for c in [*test.caption, *test.markdown])
    test.segmented_control(key="errors_view").set_value("rows").run()
    go_on.set()
    test.button(key="behind_again").click().run()
    for _ in range(600):
        if any("those that come back" in c.value for c in test.caption):
            break
        time.sleep(0.05)
        test.run()
    assert any("· behind" in m.value for m in test.markdown)
