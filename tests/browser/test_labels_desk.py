"""The triage desk under quick fingers: every decision falls on the row that was on screen."""

import re
import sqlite3

import pytest
from browser import box_of, chromium, needs_chromium, server, settled, soon
from playwright.sync_api import expect

from influence_core.store.project import Project
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews

pytestmark = [pytest.mark.browser, needs_chromium]
VERDICTS = {"a": "relabel", "k": "keep", "x": "exclude", "u": "unsure"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("desk") / "home"


@pytest.fixture(scope="module")
def url(home):
    with server(home) as address:
        yield address


def words(home, sample):
    """Key to verdict and new label, as the database has them."""
    store = open_reviews(Project.open(home / sample))
    state = ReviewState()
    state.catch_up(store)
    store.close()
    return {
        f"{key:016x}": (word.outcome, word.new_label) for key, word in state.all_effective().items()
    }


def ready(page, rows):
    """So many rows are loaded, and the first is on screen."""
    page.locator(".desk[data-row]:not([data-row=''])").wait_for()
    page.locator(f".desk[data-loaded='{rows}']").wait_for()


def test_twenty_quick_presses_decide_twenty_rows_that_were_on_screen(url, home):
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion")
        ready(page, 32)
        pressed = {}
        desk = page.locator(".desk")
        for i in range(20):
            letter = "akxu"[i % 4]
            key = desk.get_attribute("data-row")
            suggested = page.locator(".labels strong").nth(1).inner_text()
            pressed[key] = (VERDICTS[letter], suggested if letter == "a" else None)
            page.keyboard.press(letter)
        page.get_by_text("all decisions saved").wait_for()
        assert len(pressed) == 20
        assert words(home, "fashion") == pressed
        for _ in range(3):
            page.keyboard.press("z")
        page.get_by_text("all decisions saved").wait_for()
        expect(page.locator(".where")).to_have_text(re.compile("^18 of"))
        soon(lambda: words(home, "fashion"), dict(list(pressed.items())[:17]))
        # Nothing is taken for a decision while somebody types a note.
        page.keyboard.press("n")
        page.keyboard.type("axk")
        expect(page.locator(".where")).to_have_text(re.compile("^18 of"))
        assert page.outside == []


def test_a_reload_goes_on_where_the_database_is_and_bulk_is_one_step(url, home):
    with chromium() as page:
        page.goto(f"{url}/triage?project=reviews&label_rows=All+rows")
        ready(page, 32)
        expect(page.locator(".where")).to_have_text(re.compile("^1 of 6,000,"))
        page.keyboard.press("k")
        page.get_by_text("all decisions saved").wait_for()
        page.reload()
        ready(page, 32)
        assert len(words(home, "reviews")) == 1
        expect(page.locator(".where")).to_have_text(re.compile("^1 of 5,999,"))
        page.get_by_text("Grid", exact=True).click()
        page.get_by_text("This page (48)").click()
        page.get_by_role("button", name="Review and save").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("of 48 rows").wait_for()
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="detached")
        soon(lambda: len(words(home, "reviews")) > 40, True)
        page.get_by_role("button", name="Undo my last step").click()
        page.get_by_text("(1 can be undone)").wait_for()
        soon(lambda: len(words(home, "reviews")), 1)


def test_a_refused_decision_can_be_discarded_and_the_others_are_saved(url, home):
    before = words(home, "fashion")
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion")
        ready(page, 32)
        desk, problem = page.locator(".desk"), page.locator(".problem")
        refused = desk.get_attribute("data-row")
        page.get_by_label("Note, kept with the next decision").fill("no database\0stores this")
        page.keyboard.press("Enter")
        page.keyboard.press("k")
        problem.get_by_text("Not saved: A note holds the character U+0000").wait_for()
        kept = desk.get_attribute("data-row")
        page.keyboard.press("k")
        problem.get_by_text("1 later ones wait").wait_for()
        problem.get_by_role("button", name="Try again").click()
        settled(page)
        problem.get_by_text("Not saved:").wait_for()
        assert words(home, "fashion") == before
        problem.get_by_role("button", name="Discard").click()
        page.get_by_text("all decisions saved").wait_for()
        soon(lambda: words(home, "fashion"), {**before, kept: ("keep", None)})
        # The row is on screen again, as nobody's decision, and can be decided.
        expect(page.locator(f".desk[data-row='{refused}']")).to_be_visible()
        expect(page.locator(".mine")).to_have_count(0)
        page.keyboard.press("x")
        page.get_by_text("all decisions saved").wait_for()
        after = {**before, kept: ("keep", None), refused: ("exclude", None)}
        soon(lambda: words(home, "fashion"), after)


def test_decisions_that_wait_for_the_database_are_saved_by_trying_again(url, home):
    """Also where a job ends meanwhile, here the score's, and draws the page once more."""
    before = words(home, "fashion")
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion")
        ready(page, 32)
        row = page.locator(".desk").get_attribute("data-row")
        database = sqlite3.connect(home / "fashion" / "reviews.db", isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        page.keyboard.press("u")
        page.get_by_text("Not saved:").wait_for()
        database.execute("ROLLBACK")
        database.close()
        page.get_by_role("button", name="Try again").click()
        page.get_by_text("all decisions saved").wait_for()
        soon(lambda: words(home, "fashion"), {**before, row: ("unsure", None)})


def test_a_class_is_named_by_keys_and_the_line_says_what_was_stored(url, home):
    before = words(home, "fashion")
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion")
        ready(page, 32)
        row = page.locator(".desk").get_attribute("data-row")
        given = page.locator(".labels strong").first.inner_text()
        new = "Sneaker" if given != "Sneaker" else "Dress"
        page.keyboard.press("l")
        page.keyboard.type(new.lower())
        page.keyboard.press("Escape")
        assert page.locator(".desk").get_attribute("data-row") == row
        page.keyboard.press("l")
        page.keyboard.type(new.lower())
        page.keyboard.press("Enter")
        told = page.locator(".told")
        expect(told).to_contain_text(re.compile(f"^Saved: .+: {given} → {new}. Z takes it back"))
        expect(told).to_contain_text(re.compile("You accepted [0-9]+ of the last [0-9]+"))
        soon(lambda: words(home, "fashion"), {**before, row: ("relabel", new)})
        first = page.locator(".likely button").first
        row, second = page.locator(".desk").get_attribute("data-row"), first.inner_text()
        page.keyboard.press("1")
        expect(told).to_contain_text(f" → {second.splitlines()[0]}.")
        page.keyboard.press("z")
        expect(told).to_contain_text("Taken back: ")
        expect(page.locator(f".desk[data-row='{row}']")).to_be_visible()
        page.get_by_text("all decisions saved").wait_for()
        assert row not in words(home, "fashion")


@pytest.mark.parametrize("sample", ["fashion", "reviews"])
def test_influence_is_asked_for_the_row_at_the_desk_and_flagged_rows_are_the_queue(url, sample):
    with chromium() as page:
        page.goto(f"{url}/triage?project={sample}")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        expect(page.locator(".where")).to_have_text(re.compile("^1 of [0-9,]+ flagged, "))
        given = page.locator(".labels strong").first.inner_text()
        page.keyboard.press("y")
        against = page.locator(".why .side").first
        expect(against).to_contain_text(f"Pushed the model away from {given}")
        assert 0 < against.locator("li").count() <= 6
        strongest = page.locator(".why .strength").evaluate_all(
            "bars => bars.map(bar => parseInt(bar.style.getPropertyValue('--share')))"
        )
        assert max(strongest) == 100
        # A row of the same class may pull away from it, too, by contrast.
        labels = against.locator("li strong").all_inner_texts()
        assert any(label != given for label in labels)
        page.keyboard.press("ArrowRight")  # the next row has not been asked about
        expect(page.locator(".why .side")).to_have_count(0)
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".why .side")).to_have_count(2)
        page.get_by_text("All rows", exact=True).click()
        total = {"fashion": "4,000", "reviews": "6,000"}[sample]
        expect(page.locator(".where")).to_have_text(re.compile(f"^1 of ({total}|[35],9..), "))
        assert page.outside == []


def test_a_second_person_without_a_name_is_asked_for_it_once(url, home):
    with chromium() as page:
        page.goto(f"{url}/triage?project=reviews")
        ready(page, 32)
        expect(page.get_by_text("Who are you?")).to_have_count(0)
    with chromium(browser_id="1" * 32) as page:
        page.goto(f"{url}/triage?project=reviews")
        page.get_by_label("Your name").fill("Åsa")
        expect(page.locator(".desk")).to_have_count(0)  # nothing can be decided before
        page.get_by_role("button", name="Go on").click()
        ready(page, 32)
        expect(page.get_by_text("signed in as Åsa")).to_be_visible()
        settled(page)
        page.reload()
        expect(page.get_by_text("signed in as Åsa")).to_be_visible()
        ready(page, 32)
        row = page.locator(".desk").get_attribute("data-row")
        page.keyboard.press("k")
        page.get_by_text("all decisions saved").wait_for()
    store = open_reviews(Project.open(home / "reviews"))
    *_, event = (e for e in store.events() if f"{e.decision.key:016x}" == row)
    store.close()
    assert event.reviewer == "Åsa"


@pytest.mark.parametrize("to", ["Trust", "Runs"])
def test_a_page_opened_at_once_after_a_key_loses_no_decision(url, home, to):
    """The click overtakes the run of the page that would have read them from its component."""
    before = words(home, "reviews")
    with chromium() as page:
        page.goto(f"{url}/triage?project=reviews&label_rows=All+rows")
        ready(page, 32)
        rows = []
        for _ in range(3):
            rows.append(page.locator(".desk").get_attribute("data-row"))
            page.keyboard.press("x")
        page.get_by_role("link", name=to).evaluate("link => link.click()")
        soon(lambda: words(home, "reviews"), {**before, **dict.fromkeys(rows, ("exclude", None))})


@pytest.mark.parametrize("sample", ["fashion", "reviews"])
def test_a_row_its_evidence_and_the_keys_are_on_one_laptop_screen(tmp_path, sample):
    with server(tmp_path / "home") as url, chromium() as page:
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"{url}/triage?project={sample}")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        settled(page)
        for part in (
            ".item .labels",
            ".evidence .nearest",
            ".evidence ol li >> nth=0",
            ".deciding",
        ):
            drawn = page.locator(f".desk {part}")
            expect(drawn).to_be_visible()  # a busy machine sends the row after its place
            box = box_of(drawn)
            assert 0 < box["y"] < box["y"] + box["height"] <= 900, part
        row = box_of(page.locator(".likely"))
        assert row["y"] + row["height"] <= 900
        assert row["height"] < 45  # one line
