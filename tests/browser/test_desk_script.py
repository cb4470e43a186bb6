"""The desk's script under every kind of fingers: keys are heard, and store what was to be read."""

import random

import pytest
from browser import chromium, needs_chromium
from desk_page import open_desk_page, row, stored

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def page():
    with chromium() as opened:
        yield opened


def rows(n):
    return [row(i, i % 12, (i + 5) % 12, [(i + 1 + j) % 12 for j in range(9)]) for i in range(n)]


def test_a_key_is_heard_when_answers_of_the_server_overtake_each_other(page):
    """Streamlit ends an overtaken call after the next one has begun, and perhaps before a key."""
    open_desk_page(page, rows(4))
    page.evaluate("first = turn(); second = turn(); first()")
    page.keyboard.press("k")
    assert stored(page) == {f"{0:016x}": ["keep", None]}
    page.evaluate("first = turn(); first()")
    page.keyboard.press("x")
    assert list(stored(page)) == [f"{0:016x}", f"{1:016x}"]


def test_a_desk_that_has_left_the_page_hears_nothing(page):
    open_desk_page(page, rows(2))
    page.evaluate("last = turn(); document.body.lastElementChild.remove(); last()")
    page.keyboard.press("k")
    page.evaluate("document.body.replaceChildren()")
    page.keyboard.press("k")
    assert stored(page) == {}


READ = """
() => {
  const root = document.body.lastElementChild.shadowRoot;
  const buttons = [...root.querySelectorAll(".bar button, .deciding button, .likely button")];
  const keyed = buttons.filter((node) => !node.disabled && node.querySelector("kbd"));
  const at = root.activeElement;
  const active = root.querySelector('[role="option"][aria-selected="true"]');
  const row = root.querySelector(".desk").dataset.row;
  return {
    row, id: row && root.querySelector(".item .small").textContent.slice(3),
    given: row && root.querySelector(".labels strong").textContent,
    keys: Object.fromEntries(keyed.map((node) =>
      [node.querySelector("kbd").textContent, node.firstChild.textContent])),
    typing: Boolean(at && at.tagName === "INPUT"),
    pressed: at && at.tagName === "BUTTON" ? at.querySelector("kbd").textContent : "",
    active: active ? active.textContent : "",
    told: root.querySelector(".told").textContent,
  };
}
"""
WORDS = {"Keep": "keep", "Exclude": "exclude", "Unsure": "unsure"}
SAID = {"keep": "{given} kept", "exclude": "excluded", "unsure": "unsure"}


def promised(seen, key):
    """What the text on screen says that this key stores: (verdict, class), or None."""
    if seen["typing"]:
        text = seen["active"] if key == "Enter" else ""
    else:
        key = seen["pressed"] if key == "Enter" else key.upper()
        text = seen["keys"].get(key, "")
    text = text.removeprefix("Change to ")
    if not seen["row"] or not text or text in ("Undo", "Previous", "Next"):
        return None
    if text.endswith(" (given: keep)"):
        return "keep", None
    return (WORDS[text], None) if text in WORDS else ("relabel", text)


def undoes(seen, key):
    return (
        not seen["typing"]
        and seen["keys"].get(seen["pressed"] if key == "Enter" else key.upper()) == "Undo"
    )


KEYS = [*"akxuzlnbdegorst123456789", "Enter", "Escape", "ArrowDown", "ArrowUp", "ArrowLeft",
        "ArrowRight", "Backspace", "Tab", *["l", "Enter", "ArrowDown"] * 4]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_of_keys_stores_only_what_the_last_text_said(page, seed):
    open_desk_page(page, rows(40))
    pick = random.Random(seed)
    steps, wanted = [], {}
    for _ in range(150):
        seen, key = page.evaluate(READ), pick.choice(KEYS)
        page.keyboard.press(key)
        told = page.evaluate(READ)["told"]
        if undoes(seen, key) and steps:
            row, before, sentence = steps.pop()
            wanted = {**wanted, row: before}
            assert f"back: {sentence}" in told.replace("Taking back", "back").replace("Taken ", "")
        elif (promise := promised(seen, key)) is not None:
            verdict, name = promise
            what = f"{seen['given']} → {name}" if name else SAID[verdict].format(**seen)
            sentence = f"{seen['id']}: {what}"
            steps.append((seen["row"], wanted.get(seen["row"]), sentence))
            wanted[seen["row"]] = [verdict, name]
            assert told.startswith(f"Saving: {sentence}")
            assert told.endswith("Z takes it back.")
        if pick.random() < 0.5:
            assert stored(page) == {k: v for k, v in wanted.items() if v}, key
    assert stored(page) == {k: v for k, v in wanted.items() if v}
    assert len(wanted) >= 3


def test_typing_narrows_and_only_enter_or_a_click_decides(page):
    open_desk_page(page, rows(5))
    field = page.get_by_role("combobox", name="Change to another class")
    option = page.get_by_role("option")
    # What somebody does who expects a menu: nothing of it decides.
    for keys in (["l", *"sneaker", "Escape"], ["l", "ArrowDown", "Escape"], ["l", "Enter"]):
        for key in keys:
            page.keyboard.press(key)
        assert stored(page) == {}
    page.keyboard.type("sa")
    assert option.all_inner_texts() == ["Sandal", "Sari"]
    page.locator("h1, body").first.click(position={"x": 1, "y": 1})  # elsewhere: cancelled
    assert option.count() == 0
    assert field.input_value() == ""
    page.keyboard.press("l")
    page.keyboard.type("boot")
    page.keyboard.press("Enter")
    page.keyboard.press("l")
    page.get_by_role("option", name="Scarf").click()
    assert list(stored(page).values()) == [["relabel", "Ankle boot"], ["relabel", "Scarf"]]
    page.keyboard.press("a")
    assert len(stored(page)) == 3, "the keys are the desk's again"


def test_a_name_that_was_typed_for_one_row_is_not_stored_for_another(page):
    open_desk_page(page, rows(5))
    page.keyboard.press("k")
    page.keyboard.press("l")
    page.keyboard.type("bag")
    page.get_by_role("button", name="Undo").dispatch_event("click")  # the row before is on screen
    page.keyboard.press("Enter")
    assert stored(page) == {}
