"""Menus that say how a text file is written; nothing is chosen as long as it is found by itself."""

from typing import TypeVar

import streamlit as st

T = TypeVar("T")
WIDTH = 260
QUOTINGS = {
    'fields in "…", " doubled within': "double",
    'fields in "…", \\" within': "backslash",
    "fields in '…', ' doubled within": "single",
    "fields in '…', \\' within": "single-backslash",
    "no quotes": "none",
    "no quotes, \\ before a delimiter": "none-backslash",
}
# A few a script; the usual one of each first.
ENCODINGS = (
    *("utf-8", "cp1252", "cp1250", "cp1254", "iso8859-2", "mac_roman", "cp850", "cp1251", "koi8-r"),
    *("koi8-u", "cp866", "cp1253", "cp1255", "cp1256", "cp874", "gb18030", "big5", "shift_jis"),
    *("euc_jp", "euc_kr", "utf-16-le", "utf-16-be"),
)


def encoding_menu(key: str) -> str | None:
    """The usual encodings; others can be typed."""
    return st.selectbox(
        "Encoding",
        ENCODINGS,
        index=None,
        placeholder="found by itself",
        key=key,
        accept_new_options=True,
        help="Another one can be typed, such as iso8859-5.",
        width=WIDTH,
    )


def found_menu(title: str, key: str, choices: dict[str, T]) -> T | None:
    """A menu of values; None means that it is found by itself."""
    chosen = st.selectbox(
        title, list(choices), index=None, placeholder="found by itself", key=key, width=WIDTH
    )
    return None if chosen is None else choices[chosen]
