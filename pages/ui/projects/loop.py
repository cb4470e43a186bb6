"""The loop in three pictures: a mistake and the rows behind it, a label fixed, the proof."""

import streamlit as st

_ROW = (
    '<rect x="{x}" y="{y}" width="34" height="22" rx="4" fill="none" stroke="currentColor" {more}/>'
)
_GREY = "#7d7d7d"
_HOT = 'style="stroke:#c2570c;stroke-width:2.5"'


def _box(x: int, y: int, more: str = "") -> str:
    return _ROW.format(x=x, y=y, more=more)


def _words(x: int, y: int, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="11" fill="currentColor" {more}>{text}</text>'


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    return (
        f'<path d="M{x1} {y1}L{x2} {y2}" stroke="#3278c4" stroke-width="2" '
        'fill="none" marker-end="url(#head)"/>'
    )


MISTAKE = (
    _box(12, 8)
    + _box(12, 39, _HOT)
    + _box(12, 70)
    + _arrow(52, 19, 128, 44)
    + _arrow(52, 50, 128, 50)
    + _arrow(52, 81, 128, 56)
    + '<rect x="138" y="30" width="58" height="40" rx="6" fill="none" stroke="currentColor" '
    'stroke-width="2"/>'
    + _words(146, 54, "error")
    + _words(204, 44, "coat", 'text-decoration="line-through"')
    + _words(204, 64, "shirt", 'font-weight="700"')
)
LABEL = (
    '<rect x="12" y="20" width="70" height="60" rx="6" fill="none" stroke="currentColor"/>'
    + _words(30, 54, "row")
    + _words(100, 42, "coat", 'text-decoration="line-through" opacity="0.75"')
    + _arrow(134, 38, 168, 38)
    + _words(178, 42, "shirt", 'font-weight="700"')
    + '<rect x="100" y="60" width="22" height="20" rx="4" fill="none" stroke="currentColor"/>'
    + _words(107, 74, "A")
    + _words(130, 74, "stores it,")
    + '<rect x="182" y="60" width="22" height="20" rx="4" fill="none" stroke="currentColor"/>'
    + _words(189, 74, "Z")
    + _words(210, 74, "undoes")
)
PROOF = (
    _words(12, 24, "as it was")
    + '<rect x="82" y="14" width="84" height="12" rx="3" fill="currentColor" opacity="0.45"/>'
    + _words(12, 54, "random rows")
    + '<rect x="82" y="44" width="87" height="12" rx="3" fill="currentColor" opacity="0.45"/>'
    + _words(12, 84, "fixed", 'font-weight="700"')
    + '<rect x="82" y="74" width="130" height="12" rx="3" fill="#3278c4"/>'
    + '<path d="M196 80h32M196 75v10M228 75v10" stroke="currentColor" stroke-width="1.5"/>'
)
_HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
    'markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z" fill="#3278c4"/></marker></defs>'
)


def drawing(parts: str, alt: str) -> None:
    """One of the three, in colours that are seen on light and dark; texts are ours, never data."""
    drawn = parts.replace("currentColor", _GREY)
    st.image(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 250 100" width="250" height="100" '
        f'font-family="Source Sans,Helvetica,Arial,sans-serif">{_HEAD}{drawn}</svg>',
        alt=alt,
    )
