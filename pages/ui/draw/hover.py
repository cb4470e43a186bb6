"""The picture of the row under the mouse, beside its point: a chart cannot draw one itself.

The browser says which point the mouse rests on; only that row's picture is sent, so a map of any
size costs nothing before.
"""

import base64
from collections.abc import Sequence

import numpy as np
import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.session import Session
from pages.ui.draw.content import THUMB, picture, visible

_HTML = '<figure hidden><img alt=""><figcaption></figcaption></figure>'
_CSS = """
figure { position: fixed; z-index: 9; margin: 0; padding: 0.5rem; pointer-events: none;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  box-shadow: 0 6px 20px rgb(0 0 0 / 25%); font-family: var(--st-font); font-size: 0.875rem; }
img { display: block; margin: auto; border-radius: 4px; image-rendering: pixelated; }
[hidden] { display: none; }
"""
# Plotly tells its own element what is pointed at; the last of many quick moves is asked for.
_JS = """
const SOON = 80; // milliseconds that the mouse rests on a point
const ASIDE = 16; // pixels between the mouse and the picture
let send = null, hide = null, wanted = null, at = [0, 0], timer = null;
const heard = new WeakSet();
function hover(event) {
  const point = event.points[0];
  hide?.();
  wanted = [point.curveNumber, point.pointNumber];
  at = [event.event.clientX, event.event.clientY];
  clearTimeout(timer);
  timer = setTimeout(() => send?.(wanted), SOON);
}
function unhover() { clearTimeout(timer); wanted = null; hide?.(); }
export default function ({ data, parentElement, setStateValue }) {
  const box = parentElement.querySelector("figure");
  send = (point) => setStateValue("point", point);
  hide = () => { box.hidden = true; };
  if (wanted && data.picture && String(wanted) === String(data.point)) {
    const image = box.querySelector("img");
    image.src = data.picture;
    image.alt = box.querySelector("figcaption").textContent = data.name;
    box.hidden = false;
    const right = at[0] + ASIDE + box.offsetWidth < innerWidth;
    const below = at[1] + ASIDE + box.offsetHeight < innerHeight;
    box.style.left = `${right ? at[0] + ASIDE : at[0] - ASIDE - box.offsetWidth}px`;
    box.style.top = `${below ? at[1] + ASIDE : at[1] - ASIDE - box.offsetHeight}px`;
  }
  const listen = () => {
    const chart = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (!chart?.on || heard.has(chart)) return;
    heard.add(chart);
    chart.on("plotly_hover", hover);
    chart.on("plotly_unhover", unhover);
  };
  listen();
  const again = setInterval(listen, 300); // drawn later than this, and again for other colours
  return () => clearInterval(again);
}
"""
_mount = st.components.v2.component("turnover_hover", html=_HTML, css=_CSS, js=_JS)


@st.fragment
def pictures_on_hover(session: Session, chart: str, rows: Sequence[np.ndarray]) -> None:
    """Show them, over the chart with this key.

    Args:
        session: the open run, of pictures.
        chart: key of the chart.
        rows: positions of the training rows of each of its traces.
    """
    key = f"{chart}_hover"
    point = (st.session_state.get(key) or {}).get("point")
    data = {"chart": chart, "point": point}
    position = _position(point, rows)
    if position is not None:
        train = session.project.dataset.train
        label = int(train.labels[position])
        data["name"] = visible(session.classes[label] if label >= 0 else "none")
        data["picture"] = _inline(train.image_bytes(position))
    _mount(key=key, data=data, height=0, on_point_change=lambda: None)


def _position(point: object, rows: Sequence[np.ndarray]) -> int | None:
    """Of the training row that the browser names, which may name anything."""
    if not isinstance(point, list) or len(point) != 2 or not all(type(p) is int for p in point):
        return None
    trace, index = point
    inside = 0 <= trace < len(rows) and 0 <= index < len(rows[trace])
    return int(rows[trace][index]) if inside else None


def _inline(raw: bytes) -> str | None:
    """Encoded again, so that nothing of the file itself reaches the browser; None for a bad one."""
    try:
        small = picture(raw, THUMB)
    except DataError:
        return None
    return f"data:image/webp;base64,{base64.b64encode(small).decode()}"
