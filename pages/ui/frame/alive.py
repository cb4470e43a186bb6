"""What the page says while its server does not answer, in place of Streamlit's own dialog.

That one asks whether one is connected to the internet, and lies over what is on screen. Ours stands
above the page and says what is kept: a decision that was made meanwhile waits in the page until the
server is back (`labels/desk.js`).
"""

import streamlit as st

_JS = """
const SAID = "The server of Turnover does not answer. Keep this page open: what you decide on it " +
  "waits here and is saved as soon as the server is back. It is started by: turnover app";
const LATE = 1500; // ms; a page that only changes its address is back sooner
let timer = null;
function look(app) {
  const gone = !["CONNECTED", "STATIC_CONNECTED"].includes(app.dataset.testConnectionState);
  const shown = document.querySelector(".turnover-gone");
  if (!gone) {
    clearTimeout(timer);
    timer = null;
    if (shown) { shown.remove(); document.body.classList.remove("turnover-is-gone"); }
  } else if (!shown && timer === null) timer = setTimeout(show, LATE);
}
function show() {
  const box = document.createElement("div");
  box.className = "turnover-gone";
  box.setAttribute("role", "alert");
  box.textContent = SAID;
  document.body.append(box);
  document.body.classList.add("turnover-is-gone");
}
export default function () {
  const app = document.querySelector("[data-testid=stApp]");
  if (!app || app.turnoverWatched) return;
  app.turnoverWatched = new MutationObserver(() => look(app));
  const attributeFilter = ["data-test-connection-state"];
  app.turnoverWatched.observe(app, { attributes: true, attributeFilter });
  look(app);
}
"""
STYLE = """
.turnover-gone {
  position: fixed; z-index: 1000000; top: 0; left: 0; right: 0; padding: 0.75rem 1.5rem;
  background: #8a3b00; color: #ffffff; font: 600 1rem/1.4 "Source Sans", sans-serif;
}
.turnover-is-gone [data-testid=stDialog], .turnover-is-gone [data-testid=stConnectionStatus] {
  display: none;
}
"""
_mount = st.components.v2.component("turnover_alive", html="", js=_JS)


def watch_server() -> None:
    """Once a page."""
    _mount(key="alive", height=0)
