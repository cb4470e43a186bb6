"""Projects as cards: what is in each, how good its last run is, and what waits for a decision."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.projects.overview import Overview
from influence_core.workflow.results import CONTENT_WORDS, Project, projects_home
from pages.ui.draw import numbers
from pages.ui.draw.content import show, visible
from pages.ui.draw.text import plain
from pages.ui.frame.shell import or_toast

MOST_CLASSES = 6  # names on a card
MOST_NAME = 60  # characters of a name on a card
WIDTH = 320  # pixels of a card, at least
PICTURES, SENTENCES = 7, 2  # of a glimpse
GLIMPSE = 56  # pixels of a picture
SUSPICIOUS_HELP = (
    "Training rows whose label the flipped side of the network, which never saw the row, does not "
    "predict (Kobayashi et al. 2020); once labels are scored, those that Labels flags."
)
ACCURACY_HELP = "Share of right predictions of the newest run on this split."


def cards(found: Sequence[Overview], key: str, *, glimpses: bool) -> None:
    """A grid of them, with `glimpses` of their rows."""
    with st.grid(columns="auto", min_column_width=WIDTH, gap="small", key=key):
        for card in found:
            box = st.container(
                border=True, gap="xsmall", height="stretch", key=f"card_{card.folder}"
            )
            with box:
                if card.problem:
                    _damaged(card)
                else:
                    _card(card, glimpses)


def _card(card: Overview, glimpses: bool) -> None:
    st.markdown(f"**{short(card.name)}**")
    if glimpses:
        _glimpse(card)
    st.caption(f"{_contents(card)}  \n{_classes(card)}")
    with st.container(horizontal=True, gap="medium"):
        if card.last is not None:
            _figure(card.accuracy_of, card.accuracy, ACCURACY_HELP)
            _count("suspicious", card.suspicious, SUSPICIOUS_HELP)
        else:
            st.caption("Not trained yet")
    if card.last is not None:
        when = card.last.created[:16].replace("T", " ")
        st.caption(
            f"Last run {when} UTC, {numbers.count(card.runs)} "
            f"{'run' if card.runs == 1 else 'runs'}, {numbers.count(card.decided)} "
            f"{'row' if card.decided == 1 else 'rows'} decided, {numbers.count(card.open or 0)} "
            "suspicious ones open"
        )
    _buttons(card, renamable=not glimpses)


def _glimpse(card: Overview) -> None:
    """Its first training rows."""
    with suppress(TurnoverError):  # what is wrong is said where it is opened
        train = Project.open(projects_home() / card.folder).dataset.train
        image = card.modality == "image"
        with st.container(horizontal=image, gap="xsmall"):
            for key in train.keys[: PICTURES if image else SENTENCES]:
                show(train, int(key), alt="a training row", size=GLIMPSE)


def _rename(card: Overview) -> None:
    key = f"name_card_{card.folder}"
    with st.popover("Rename", type="tertiary", key=f"rename_{card.folder}"):
        st.text_input("Name", card.name, max_chars=MOST_NAME, key=key)
        st.button(
            "Save", key=f"renamed_{card.folder}", on_click=or_toast, args=(_renamed, card, key)
        )


def _renamed(card: Overview, key: str) -> None:
    """The folder, and with it links and the command line's word, stay as they are."""
    if name := str(st.session_state[key]).strip():
        Project.open(projects_home() / card.folder).with_settings(name=name)


def _buttons(card: Overview, *, renamable: bool) -> None:
    # Without query_params={} Streamlit refuses to switch while a menu is bound to the address.
    with st.container(horizontal=True, gap="small"):
        if card.last is None:
            if st.button("Train", key=f"train_{card.folder}", type="primary"):
                st.session_state["open_project"] = card.folder
                st.query_params["train"] = card.folder
                st.rerun()
            return
        if st.button("Open", key=f"open_card_{card.folder}", type="primary"):
            st.session_state["open_project"] = card.folder
            st.switch_page("pages/errors.py", query_params={})
        if card.open and st.button("Decide labels", key=f"decide_card_{card.folder}"):
            st.session_state["open_project"] = card.folder
            st.switch_page("pages/labels.py", query_params={})
        if renamable:
            _rename(card)


def _damaged(card: Overview) -> None:
    st.markdown(f"**{short(card.folder)}**")
    st.error(plain(visible(card.problem)), icon="⚠️")
    st.caption("Restore the named file from a copy, or remove the folder. Nothing else is touched.")


def _contents(card: Overview) -> str:
    what = CONTENT_WORDS[card.modality][1]
    rows = ", ".join(f"{numbers.count(n)} {plain(split)}" for split, n in card.rows.items())
    return f"{numbers.count(sum(card.rows.values()))} {what}: {rows}"


def _classes(card: Overview) -> str:
    names = ", ".join(short(name, 30) for name in card.classes[:MOST_CLASSES])
    more = len(card.classes) - MOST_CLASSES
    return f"{len(card.classes)} classes: {names}" + (f" and {more} more" if more > 0 else "")


def _figure(split: str, share: float | None, why: str) -> None:
    if share is not None:
        st.metric(f"accuracy, {plain(split)}", numbers.percent(share, 1), width=130, help=why)


def _count(name: str, number: int | None, why: str) -> None:
    if number is not None:
        st.metric(name, numbers.count(number), width=130, help=why)


def short(name: str, most: int = MOST_NAME) -> str:
    """A name made inert for Markdown, with invisible characters written out, and cut."""
    text = visible(" ".join(name.split())) or "(no name)"
    return plain(text if len(text) <= most else text[: most - 1] + "…")
