"""What opens begins at its top and listens to keys, also after a switch was clicked.

The browser would stay where the list was, and the focus in the switch.
"""

import streamlit as st

_JS = """
const seen = new WeakMap();
const SWITCHES = "[data-testid=stButtonGroup], [data-testid=stCheckbox], [data-testid=stRadio]";
// A switch that was clicked would keep the arrow keys, which lead to the next item, to itself. One
// that was reached by Tab keeps the focus: a key's click has no detail.
function giveKeysBack(event) {
  const on = document.activeElement;
  if (event.detail > 0 && on?.closest(SWITCHES)) setTimeout(() => on.blur());
}
export default function ({ parentElement, data }) {
  document.addEventListener("click", giveKeysBack, true); // switches keep their clicks
  const before = seen.get(parentElement);
  seen.set(parentElement, data.what);
  if (before !== data.what) document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
  return () => document.removeEventListener("click", giveKeysBack, true);
}
"""
_mount = st.components.v2.component("turnover_top", html="", js=_JS)


def start_at_top(what: str) -> None:
    """Scroll up, once for each `what` that is opened."""
    _mount(key="top", data={"what": what}, height=0)
