"""Many rows at a time: a grid with checkboxes, one verdict, one Save that one undo takes back."""

from collections import Counter

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.results import to_hex
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.desk import Desk
from pages.ui.draw import content, numbers
from pages.ui.frame.paging import page_of
from pages.ui.frame.shell import or_toast, plain
from pages.ui.labels.desk import Queue

PAGE = 48
VERDICTS = {
    "accept": "Change to each row's suggestion",
    "relabel": "Change to …",
    "exclude": "Exclude",
    "keep": "Keep",
    "unsure": "Unsure",
}
SCOPES = {"selected": "Selected", "page": "This page", "all": "All filtered"}


def grid(desk: Desk, queue: Queue, who: str, whole: str = SCOPES["all"]) -> None:
    """A page of the queue, and what to do with it.

    Args:
        desk: of the open run.
        queue: the rows.
        who: decides.
        whole: what the whole queue is called.
    """
    scopes = {**SCOPES, "all": whole}
    part = page_of(len(queue.positions), PAGE, "bulk_page")
    shown = [int(p) for p in queue.positions[part]]
    with st.form("bulk", border=False):
        verdict, label, scope, note = _controls(desk, scopes, len(shown), len(queue.positions))
        asked = st.form_submit_button("Review and save …", type="primary")
        ticked = _tiles(desk, shown)
    _undo_button(desk, who)
    if asked:
        chosen = {"selected": ticked, "page": shown, "all": queue.positions.tolist()}[scope]
        choices = desk.bulk(chosen, verdict, label if verdict == "relabel" else None, note)
        _confirm(desk, who, choices, len(chosen), f"{VERDICTS[verdict]} · {scopes[scope]}")


def _controls(
    desk: Desk, scopes: dict[str, str], page: int, filtered: int
) -> tuple[str, str, str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        verdict = st.selectbox(
            "Verdict",
            list(VERDICTS),
            format_func=VERDICTS.__getitem__,
            key="bulk_verdict",
            width=300,
        )
        label = st.selectbox("… to", desk.classes, key="bulk_label", width=160)
        counts = {"selected": "", "page": f" ({page})", "all": f" ({numbers.count(filtered)})"}
        scope = st.radio(
            "Scope",
            list(scopes),
            format_func=lambda name: scopes[name] + counts[name],
            key="bulk_scope",
            horizontal=True,
        )
        note = st.text_input("Note (optional)", key="bulk_note", max_chars=4000, width=220)
    return verdict, label, scope, note


def _tiles(desk: Desk, shown: list[int]) -> list[int]:
    train = desk.session.project.dataset.train
    image = train.content_column != "text"
    ticked = []
    with st.grid(columns="auto", min_column_width=130 if image else 300, gap="xsmall"):
        for position in shown:
            row = desk.scores.iloc[position]
            key = int(train.keys[position])
            given, suggested = (
                desk.classes[row[name]] if row[name] >= 0 else "none"
                for name in ("given", "suggested")
            )
            with st.container(border=True, gap="xxsmall"):
                content.show(train, key, alt=f"Training row labelled {given}")
                arrow = f" → **{plain(suggested)}**" if suggested != given else ""
                st.caption(f"{plain(given)}{arrow} {numbers.percent(float(row['p_given']))}")
                word = desk.effective(position)
                said = "" if word is None else f" ({word.outcome})"
                if st.checkbox(f"Select{said}", key=f"tick_{to_hex(key)}"):
                    ticked.append(position)
    return ticked


@st.dialog("Save these decisions?")
def _confirm(desk: Desk, who: str, choices: list[Choice], chosen: int, what: str) -> None:
    st.markdown(f"**{numbers.count(len(choices))}** of {numbers.count(chosen)} rows · {what}")
    if len(choices) < chosen:
        st.caption(f"{numbers.count(chosen - len(choices))} carry that label already.")
    per_label = Counter(choice.new_label for choice in choices if choice.new_label)
    parts = [
        f"{numbers.count(count)} to {plain(label)}" for label, count in per_label.most_common(12)
    ]
    st.caption(" · ".join([*parts, "one undo takes all of it back"]))
    if not choices:
        st.info("No row is chosen. Tick some, or choose another scope.")
        return
    if st.button(f"Save {numbers.count(len(choices))} decisions", key="bulk_save", type="primary"):
        try:
            desk.decide(who, choices)
        except TurnoverError as error:
            st.error(plain(str(error)))
            return
        st.rerun()


def _undo_button(desk: Desk, who: str) -> None:
    steps = desk.undoable(who)
    st.button(
        f"Undo my last step ({numbers.count(steps)} can be undone)",
        key="bulk_undo",
        disabled=not steps,
        on_click=or_toast,
        args=(desk.undo, who),
    )
