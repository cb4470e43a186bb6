"""Scroll to the top when something else is opened; the browser would stay where the list was."""

import streamlit as st

_JS = """
const seen = new WeakMap();
export default function ({ parentElement, data }) {
  const before = seen.get(parentElement);
  seen.set(parentElement, data.what);
  if (before === data.what) return;
  document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
}
"""
_mount = st.components.v2.component("turnover_top", html="", js=_JS)


def start_at_top(what: str) -> None:
    """Scroll up, once for each `what` that is opened."""
    _mount(key="top", data={"what": what}, height=0)
