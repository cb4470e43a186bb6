"""A menu whose choice stands in the address bar: project, run and split.

An address may name what is not there: an old link, a folder that was removed. Then nothing is
chosen and the page says so, since a decision would else fall on other data than the link meant.
"""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

# What the address says about one split of one project; it means nothing in another.
OF_SPLIT = ("item", "with", "true", "pred", "conf", "q", "which", "col", "area", "bad", "slice")


def menu(
    label: str,
    choices: Sequence[str],
    key: str,
    *,
    within: str = "",
    names: Mapping[str, str] | None = None,
    about: str | None = None,
) -> str | None:
    """Draw it; the choice, or None if the address names none of the choices (see `missing`).

    A button elsewhere chooses by `st.session_state["open_KEY"]`, before the menu is drawn.

    Args:
        label: above it.
        choices: at least one; the first is standard.
        key: of the widget and in the address.
        within: what the choices belong to; in another one the old choice is none that is missing.
        names: what the choices are called on screen; the address has the choices themselves.
        about: told on hover.
    """
    state = st.session_state
    moved = state.get(f"within_{key}", within) != within
    state[f"within_{key}"] = within
    wanted = state.pop(f"open_{key}", None)
    named = wanted if wanted in choices else st.query_params.get(key) or state.get(key)
    if named in choices or moved:
        state.pop(_gone(key), None)
        if named == wanted or named not in choices:
            state[key] = named if named in choices else choices[0]
    elif named is not None:
        state[_gone(key)] = named
    if names is not None:
        # A menu that is bound would write names into the address, so a box that nobody sees is;
        # from the start, since a box begins with what the address named first.
        with st.container(key=f"unseen_{key}"):
            st.text_input(label, choices[0], key=key, bind="query-params")
    if missing(key) is None and names is not None:
        return _named(label, choices, key, names, about)
    if missing(key) is None:
        return st.selectbox(
            label, choices, key=key, bind="query-params", on_change=_changed, args=(key, key)
        )
    st.selectbox(
        label, choices, index=None, key=f"{key}_instead", placeholder="Choose",
        on_change=_changed, args=(key, f"{key}_instead", names is not None),
        format_func=_shown(names or {}),
    )  # fmt: skip
    return None


def _named(
    label: str, choices: Sequence[str], key: str, names: Mapping[str, str], about: str | None
) -> str:
    chosen = str(st.session_state[key])
    st.session_state[f"{key}_menu"] = chosen
    st.selectbox(
        label, choices, key=f"{key}_menu", help=about, format_func=_shown(names),
        on_change=_changed, args=(key, f"{key}_menu", True),
    )  # fmt: skip
    return chosen


def _shown(names: Mapping[str, str]) -> Callable[[str], str]:
    return lambda choice: names.get(choice, choice)


def missing(key: str) -> str | None:
    """What the address names and is not there."""
    return st.session_state.get(_gone(key))


def forget(*keys: str) -> None:
    """Without choices there is no menu, and what was chosen in another one is forgotten."""
    for key in keys:
        st.session_state.pop(key, None)
        st.session_state.pop(_gone(key), None)


def _gone(key: str) -> str:
    return f"gone_{key}"


def _changed(key: str, widget: str, boxed: bool = False) -> None:
    parts = {}
    st.session_state[f"open_{key}"] = st.session_state[widget]
    if boxed:  # the box that is bound takes it into the address
        st.session_state[key] = st.session_state[widget]
    elif widget != key:  # what Python chooses for a menu does not reach the address by itself
        parts[key] = st.session_state[widget]
    drop(*(OF_SPLIT if key != "run" else ()), **parts)  # runs have the same items


def drop(*names: str, **parts: str) -> None:
    """Take parts out of the address and write others, all as one step of the back button.

    Not clear(): it refuses while the menus of the sidebar are bound to the address.
    """
    gone = {name: [] for name in names if name in st.query_params}
    if gone or parts:
        st.query_params.update({**gone, **parts})  # a part without a value is not written
