"""Say on the Errors page that the item's own label is wrong; what counts of all that was said.

Kept with the item's split, beside the decisions about training rows. Nothing is stored before a
button is pressed, and what was stored is said with its undo.
"""

import secrets

import streamlit as st

from influence_core.workflow.explain.items import Item
from influence_core.workflow.results import Project
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.items import ItemReviews, Word
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.frame.settings import reviewer
from pages.ui.frame.shell import or_toast

_NOTE = "decided on the Errors page"


@st.cache_resource(max_entries=32, show_spinner=False)
def _reviews(root: str, split: str, database: str, _project: Project) -> ItemReviews:
    return ItemReviews(_project, split)


def reviews_of(session: Session, split: str) -> ItemReviews:
    """The decisions about a split, shared by all browser sessions."""
    project = session.project
    return _reviews(str(project.root), split, project.settings.database, project)


def item_label_box(session: Session, item: Item) -> None:
    """What is decided about the open item's label, and the buttons that decide."""
    if item.split is None or item.key is None:
        return
    found = reviews_of(session, item.split)
    who, key = reviewer(), int(item.key)
    word = found.word(key)
    if who in word.said:
        _stored(found, word, who, key)
    else:
        _ask(session, found, item, who)
    for other, event in word.said.items():
        if other != who:
            st.caption(f"{plain(other)}: {_said(event.decision.verdict, event.decision.new_label)}")
    if word.outdated:
        st.caption(":orange[Decided when the content was another, so it does not count.]")
    elif word.counts is not None and word.counts.outcome == "disputed":
        st.caption(":orange[Disputed: reviewers disagree, so the label stays.]")


def _ask(session: Session, found: ItemReviews, item: Item, who: str) -> None:
    """The likeliest other label is chosen already; three buttons, each with its key."""
    order = [int(c) for c in item.proba.argsort()[::-1] if int(c) != item.true]
    right = "Is this label right?" if item.true is not None else "Which label is right?"
    new = st.selectbox(
        right, order, key=f"item_new_{item.key:016x}",
        format_func=lambda c: f"should be {visible(session.classes[c])}",
        help="Decide about this item's own label. It counts in the accuracy with corrections and "
        "in the export of this split; the model was not trained on it.",
    )  # fmt: skip

    def button(name: str, verdict: str, label: str | None, key: str) -> None:
        st.button(
            name, key=f"item_{verdict}", shortcut=key, on_click=_decide, width="stretch",
            args=(found, item.key, who, verdict, label, session.run.id),
        )  # fmt: skip

    button("Change the label", "relabel", session.classes[new], "W")
    with st.container(horizontal=True, gap="xsmall"):
        button("Keep", "keep", None, "K")
        button("Leave out", "exclude", None, "X")


def _decide(
    found: ItemReviews, key: int, who: str, verdict: str, new_label: str | None, run: str
) -> None:
    choice = Choice(found.data.position(key), verdict, new_label, _NOTE)
    or_toast(lambda: found.decide(who, choice, run=run, action=secrets.token_hex(16)))


def _stored(found: ItemReviews, word: Word, who: str, key: int) -> None:
    decision, step = word.said[who].decision, found.step(who, key)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":material/check: {_said(decision.verdict, decision.new_label)}", width="content"
        )
        st.button(
            "Undo" if step < 2 else f"Undo ({numbers.count(step)} items decided at once)",
            key="item_undo", type="tertiary", icon=":material/undo:", shortcut="Z",
            on_click=or_toast, args=(found.undo, who, key),
        )  # fmt: skip


def _said(verdict: str, new_label: str | None) -> str:
    words = {"keep": "label kept", "exclude": "left out", "unsure": "could not tell"}
    return words.get(verdict) or f"label changed to **{plain(new_label or '')}**"


def chip(word: Word | None, doubted: bool) -> None:
    """On a card of the list: what was decided, else whether the label is suspect."""
    if word is not None and word.counts is not None and not word.outdated:
        decided_chip(word.counts.outcome, word.counts.new_label)
    elif doubted:
        st.badge("label suspect", color="orange")


def decided_chip(outcome: str, new_label: str | None) -> None:
    """What counts about a row or an item."""
    names = {"keep": "label kept", "exclude": "left out", "unsure": "unsure"}
    said = names.get(outcome, outcome) if new_label is None else f"now {plain(new_label)}"
    st.badge(said, icon=":material/check:", color="gray")
