"""Many rows at a time: a grid with checkboxes, one verdict, one Save that one undo takes back."""

from collections import Counter
from pathlib import Path

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
VERDICTS = {"accept": "Change to each row's suggestion", "exclude": "Exclude", "keep": "Keep",
            "unsure": "Unsure"}  # fmt: skip
SCOPES = {"selected": "Selected", "page": "This page", "all": "All filtered"}
_TOLD = "bulk_told"  # what the last Save did, for a toast of the next run
_keys = st.components.v2.component(
    "turnover_grid", html="", js=Path(__file__).with_name("grid.js").read_text("utf-8")
)
# What is chosen stays in sight; a picture can be enlarged; what is decided is struck through.
STYLE = """
:has(> .st-key-bulk_bar) { position: sticky; top: 3rem; z-index: 5; }
.st-key-bulk_bar { padding: .5rem 0; }
[class*="st-key-tile_"] img { cursor: zoom-in; }
[class*="st-key-tile_"]:has(s, del) img { opacity: .45; }
dialog.enlarged { border: 0; border-radius: 8px; padding: 1rem; max-width: 92vw; }
dialog.enlarged img { display: block; width: min(70vh, 80vw); image-rendering: pixelated; }
"""


def grid(desk: Desk, queue: Queue, who: str, whole: str = SCOPES["all"]) -> None:
    """A page of the queue, and what to do with it.

    Args:
        desk: of the open run.
        queue: the rows.
        who: decides.
        whole: what the whole queue is called.
    """
    if (told := st.session_state.pop(_TOLD, None)) is not None:
        st.toast(told, icon=":material/check:")
    scopes = {**SCOPES, "all": whole}
    part = page_of(len(queue.positions), PAGE, "bulk_page")
    shown = [int(p) for p in queue.positions[part]]
    st.html(f"<style>{STYLE}</style>")
    with st.form("bulk", border=False):
        with st.container(key="bulk_bar", gap="xsmall"):
            verdict, label, scope, note = _controls(desk, scopes, len(shown), len(queue.positions))
            with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
                asked = st.form_submit_button("Review and save …", type="primary", key="bulk_go")
                st.caption(
                    "**Space** selects, with **Shift** up to here · **arrows** move · **E** or a "
                    "click on a picture enlarges · **S** saves",
                    width="content",
                )
        ticked = _tiles(desk, shown)
    _keys(key="bulk_keys", height=0)
    undo_button(desk, who)
    if asked:
        chosen = {"selected": ticked, "page": shown, "all": queue.positions.tolist()}[scope]
        choices = desk.bulk(chosen, verdict, label, note)
        _confirm(
            desk, who, choices, len(chosen), f"{_named(desk, verdict, label)} · {scopes[scope]}"
        )


def _named(desk: Desk, verdict: str, label: str | None) -> str:
    return VERDICTS[verdict] if label is None else f"Change to {content.visible(label)}"


def _controls(
    desk: Desk, scopes: dict[str, str], page: int, filtered: int
) -> tuple[str, str | None, str, str]:
    verdicts: list[tuple[str, str | None]] = [(verdict, None) for verdict in VERDICTS]
    verdicts[1:1] = [("relabel", label) for label in desk.classes]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        number = st.selectbox(
            "Verdict",
            range(len(verdicts)),
            format_func=lambda i: _named(desk, *verdicts[i]),
            key="bulk_verdict",
            width=300,
        )
        counts = {"selected": "", "page": f" ({page})", "all": f" ({numbers.count(filtered)})"}
        scope = st.radio(
            "Scope",
            list(scopes),
            format_func=lambda name: scopes[name] + counts[name],
            key="bulk_scope",
            horizontal=True,
        )
        note = st.text_input("Note (optional)", key="bulk_note", max_chars=4000, width=220)
    return *verdicts[number], scope, note


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
            with st.container(border=True, gap="xxsmall", key=f"tile_{to_hex(key)}"):
                content.show(
                    train, key, alt=f"Training row labelled {given}", size=content.LARGE,
                    width=content.THUMB,
                )  # fmt: skip
                arrow = f" → **{plain(suggested)}**" if suggested != given else ""
                # As on Errors: how sure the model is of what the line ends with.
                sure = row["p_suggested"] if arrow else row["p_given"]
                line = f"{plain(given)}{arrow} {numbers.percent(float(sure))}"
                word = desk.effective(position)
                if word is not None:
                    st.markdown(
                        f"~~{line}~~  \n:material/check: {_said(word.outcome, word.new_label)}"
                    )
                    continue
                st.markdown(line)
                if st.checkbox("Select", key=f"tick_{to_hex(key)}"):
                    ticked.append(position)
    return ticked


def _said(outcome: str, new_label: str | None) -> str:
    """What counts about a row, in words."""
    if outcome == "relabel" and new_label:
        return f"changed to {plain(new_label)}"
    return {"exclude": "excluded", "keep": "kept"}.get(outcome, outcome)


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
    if st.button(f"Save {numbers.many(len(choices), 'decision')}", key="bulk_save", type="primary"):
        try:
            desk.decide(who, choices)
        except TurnoverError as error:
            st.error(plain(str(error)))
            return
        _saved(choices, what)
        st.rerun()


def _saved(choices: list[Choice], what: str) -> None:
    """Say so in the next run, in which the rows have left the list and nothing is ticked."""
    state = st.session_state
    state[_TOLD] = (
        f"Saved {numbers.many(len(choices), 'decision')}: {what}. Undo is below the list."
    )
    state["label_version"] = state.get("label_version", 0) + 1
    for name in [name for name in state if str(name).startswith("tick_")]:
        del state[name]


def undo_button(desk: Desk, who: str) -> None:
    """Take back the latest step of this reviewer that stands."""
    steps = desk.undoable(who)
    # Streamlit plays a press again if another run overtakes its own, so a button is of one step.
    last = steps[-1] if steps else ""
    st.button(
        f"Undo my last step ({numbers.count(len(steps))} can be undone)",
        key=f"bulk_undo_{last}",
        disabled=not steps,
        on_click=or_toast,
        args=(lambda: desk.undo(who, of=last),),
    )
