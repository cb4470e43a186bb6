"""A scan that is stopped half-way on the Errors page: what was ranked stays, and can go on."""

import threading
import time

import pytest
from errors_page import influences, start, worst

from influence_core.errors import CancelledError
from influence_core.influence.scan import scan
from influence_core.workflow.explain import explain as explaining
from influence_core.workflow.explain.live import LiveScan, Scan


@pytest.fixture
def half_way(monkeypatch):
    """Scans whose second chunk comes only when this event is set."""
    go_on = threading.Event()

    def slow(query, rows, **options):
        tell = options.pop("on_partial")

        def held(part):
            tell(part)
            while not go_on.wait(0.01):
                if options["cancel"].is_set():
                    raise CancelledError("stopped")

        return scan(query, rows, on_partial=held, **options)

    monkeypatch.setattr(explaining, "scan", slow)
    return go_on


def test_a_stopped_scan_keeps_its_rows_and_can_be_started_again(half_way):
    _, wrong = worst("reviews")
    stop = threading.Thread(target=cancel_half_way)
    test = start(project="reviews")
    stop.start()
    test.button(key=f"open_{wrong['key'][0]:016x}").click().run()
    assert not test.exception
    told = [c.value for c in test.caption]
    assert any("Cancelled at" in c and "provisional" in c for c in told)
    assert sum("+" in told for told in influences(test)) == 12
    half_way.set()
    test.button(key="scan_again").click().run()
    assert any("rows scored on" in c.value for c in test.caption)


def test_a_scan_that_ends_while_the_page_looks_is_drawn_whole(half_way, monkeypatch):
    """The page has a provisional answer in hand and the end comes before it asks for the end."""
    whole = LiveScan.over

    def over(running):
        half_way.set()
        return finished.wait(0.2) and whole.fget(running)

    finished = threading.Event()
    real = Scan.run

    def run(running, work, keep):
        real(running, work, keep)
        finished.set()

    _, wrong = worst("reviews")
    test = start(project="reviews")
    monkeypatch.setattr(Scan, "run", run)
    monkeypatch.setattr(LiveScan, "over", property(over))
    test.button(key=f"open_{wrong['key'][2]:016x}").click().run()
    assert not test.exception
    assert any("6,000 rows scored on" in c.value for c in test.caption)
    assert not any("provisional" in c.value for c in test.caption)


def cancel_half_way():
    """Wait until something is ranked, and give up then."""
    from pages.ui.frame.jobs.scans import live_scans

    before = set(live_scans()._current)
    while not (new := set(live_scans()._current) - before):
        time.sleep(0.01)
    _, running = live_scans()._current[new.pop()]
    running.wait(0, 600)
    running.cancel()
