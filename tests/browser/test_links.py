"""Links as a browser opens them: what is not there opens nothing, the back button finds the way."""

import re

import pytest
from browser import chromium, needs_chromium, server, settled, to_page
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with server(tmp_path_factory.mktemp("links") / "home") as address:
        yield address


def choose(page, key, name):
    page.locator(f".st-key-{key} input").click()
    page.get_by_role("option", name=name, exact=True).click()


def test_a_missing_project_opens_none_until_one_is_chosen(url):
    with chromium() as page:
        page.goto(f"{url}/triage?project=nosuch")
        page.get_by_text("There is no project nosuch here").wait_for()
        expect(page.locator(".desk")).to_have_count(0)
        expect(page.locator(".st-key-run_menu")).to_have_count(0)
        to_page(page, "Trust")
        to_page(page, "Labels")
        expect(page.get_by_text("There is no project nosuch here")).to_be_visible()
        choose(page, "project_instead", "reviews")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        expect(page.get_by_text("There is no project")).to_have_count(0)
        expect(page).to_have_url(re.compile("project=reviews"))
        page.reload()
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        expect(page).to_have_url(re.compile("project=reviews"))


@pytest.mark.parametrize("what", ["run", "split"])
def test_a_missing_run_or_split_opens_none(url, what):
    with chromium() as page:
        page.goto(f"{url}/?project=reviews&{what}=nosuch")
        page.get_by_text(f"There is no {what} nosuch here").wait_for()
        settled(page)
        expect(page.get_by_role("button", name="Explain")).to_have_count(0)
        page.locator(f".st-key-{what}_instead input").click()
        page.get_by_role("option").first.click()
        page.get_by_role("button", name="Explain").first.wait_for()
        expect(page.get_by_text("There is no")).to_have_count(0)


def test_switching_the_project_with_an_item_open_shows_the_others_list_and_back_the_item(url):
    with chromium() as page:
        page.goto(f"{url}/?project=reviews")
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        settled(page)
        opened = page.url
        assert "item=" in opened
        choose(page, "project", "fashion")
        page.get_by_text(re.compile("Fashion · split")).first.wait_for()
        settled(page)
        assert "item=" not in page.url
        expect(page.get_by_text("is not in split")).to_have_count(0)
        page.goto(opened)
        page.locator(".st-key-helpful_1").wait_for()


def test_a_link_holds_the_id_of_a_run_and_the_menu_its_name(url):
    with chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_role("button", name="Explain").first.wait_for()
        settled(page)
        menu = page.locator(".st-key-run_menu input")
        expect(menu).to_have_value(re.compile("standard, 23 Nov"))
        menu.click()
        page.get_by_role("option", name=re.compile("whole network, 23 Nov")).click()
        page.wait_for_url(re.compile(r"run=\d{8}-\d{6}-48387e"))
        settled(page)
        page.reload()
        page.get_by_role("button", name="Explain").first.wait_for()
        settled(page)
        expect(menu).to_have_value(re.compile("whole network"))
        to_page(page, "Labels")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        expect(menu).to_have_value(re.compile("whole network"))
        expect(page).to_have_url(re.compile("run=.*48387e"))
        page.go_back()
        page.get_by_role("button", name="Explain").first.wait_for()
        choose(page, "project", "reviews")
        page.get_by_text(re.compile("Reviews · split|reviews · split")).first.wait_for()
        settled(page)
        assert "48387e" not in page.url
