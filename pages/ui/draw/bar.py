"""A thin bar: how strong one thing is beside the strongest, its number told on hover."""

import html

import streamlit as st

_COLOUR, _REST = "#3278c4", "rgba(128,128,128,.25)"  # seen on light and dark


def bar(share: float, told: str, of: str) -> None:
    """Draw it.

    Args:
        share: of the whole width, in [0, 1].
        told: on hover; a number of ours, never data.
        of: what the whole width is, for those who hear the page.
    """
    percent = round(100 * min(max(share, 0.0), 1.0))
    said = html.escape(f"{percent} % {of}, {told}")
    st.html(
        f'<div role="img" aria-label="{said}" title="{html.escape(told)}" style="height:6px;'
        f"border-radius:3px;background:linear-gradient(90deg,{_COLOUR} {percent}%,"
        f'{_REST} {percent}%)"></div>'
    )
