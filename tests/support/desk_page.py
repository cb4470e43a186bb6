"""The desk's own script in a real browser, without a server: a test plays what Streamlit does."""

import json

from pages.ui.labels.desk import SCRIPT, STYLE

CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
           "Ankle boot", "Sari", "Scarf"]  # fmt: skip
_START = """
async ([script, style, rows, classes]) => {
  const host = document.body.appendChild(document.createElement("div"));
  const root = host.attachShadow({ mode: "open" });
  const sheet = document.createElement("style");
  sheet.textContent = style;
  const desk = document.createElement("div");
  desk.className = "desk";
  root.append(sheet, desk);
  const file = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: call } = await import(file);
  const stored = {}, order = [];
  let told = null;
  // Writes what was sent since, and gives the answer of the server to it.
  const answer = () => {
    const pending = told ? told.pending : [];
    for (const one of pending) {
      if (order.some((step) => step.id === one.id)) continue;
      order.push(one);
      const step = one.undo && order.find((other) => other.id === one.of);
      if (step) step.undone = true;
    }
    for (const key of Object.keys(stored)) delete stored[key];
    for (const one of order)
      if (!one.undo && !one.undone) stored[one.key] = [one.verdict, one.new_label];
    return {
      place: "here", queue: "q", what: "", total: rows.length, why: null,
      classes, shown: classes, cursor: 0,
      answer: told ? told.want.n : 0, cards: told ? [] : structuredClone(rows),
      acked: pending.map((one) => one.id), failed: {}, moved: null, empty: "The end.",
      undoable: order.filter((one) => !one.undo && !one.undone).length, trusted: true,
    };
  };
  const setTriggerValue = (_, value) => { told = structuredClone(value); };
  window.turn = () => call({ data: answer(), parentElement: root, setTriggerValue });
  window.rows = rows;
  window.stored = () => { window.turn(); return structuredClone(stored); };
  window.turn();
}
"""


def row(index, given, suggested, likely):
    """A card as the server sends it, without evidence."""
    return {
        "index": index, "key": f"{index:016x}", "id": f"train-{index}", "text": f"Row {index}.",
        "given": given, "p_given": "3.0%", "suggested": suggested, "p_suggested": "90.0%",
        "alternative": suggested, "facts": [], "nearest": "",
        "given_near": {"close": False, "rows": []}, "other_near": {"close": False, "rows": []},
        "mine": "", "others": [], "proposed": [], "twin": "",
        "likely": [{"label": label, "chance": "9%"} for label in likely],
    }  # fmt: skip


def open_desk_page(page, rows):
    """Show a desk with these rows; `turn()` in the page is one answer of the server."""
    page.goto("about:blank")
    page.evaluate(_START, [SCRIPT, STYLE, json.loads(json.dumps(rows)), CLASSES])


def stored(page):
    """Key to [verdict, new label], as a server would have it now."""
    return page.evaluate("stored()")
