"""Sets of copies: which row of each stays, one set at a time or all at once, with undo."""

from collections import Counter

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.results import Project, to_hex
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.copies import (
    Copies,
    Copy,
    CopySet,
    all_copies,
    as_now,
    copies_known,
    keep_all,
    keep_one,
    keep_one_each,
    label_of,
    one_label,
    other_labels,
    quick_copies,
    standing,
)
from influence_core.workflow.review.desk import Desk
from influence_core.workflow.review.moves import can_move, move_back, move_to_train
from pages.ui.draw import content, numbers
from pages.ui.frame.paging import page_of
from pages.ui.frame.shell import or_toast, plain
from pages.ui.labels.bulk import undo_button

SHOWN = 12  # sets at a time, unless set otherwise
MOST_ROWS = 12  # of a set that are drawn
_HELP = (
    "Exact: the same bytes. Near: texts that share most of their runs of four letters and all of "
    "their numbers; pictures whose small grey versions are the same but for contrast, and "
    "pictures cut out of others; rows of a table whose own features are nearly the same in all "
    "columns. Only what rows hold is compared, not the encoder's features: two "
    "plain trousers are alike to an encoder and are no copies. Turned pictures, and crops that "
    "lack a quarter of a side, are not found. Of more than 50,000 rows near copies are looked for "
    "in a sample."
)
_TOLD = "copies_told"  # what the last decision did, for a toast of the next run


@st.cache_resource(max_entries=4, show_spinner="Comparing what all rows hold, once a project …")
def _sets(root: str, fingerprint: str, _project: Project) -> list[CopySet]:
    return all_copies(_project)


@st.cache_data(max_entries=8, show_spinner=False)
def _sentences(root: str, run: str, known: bool, _desk: Desk) -> dict[int, str]:
    dataset = _desk.session.project.dataset
    out = {}
    for position, (one, other) in other_labels(
        dataset, quick_copies(_desk.session.project)
    ).items():
        split, at = one.rows[other]
        where = dataset.split(split)
        how = "The same content" if one.kind == "exact" else "Nearly the same content"
        of = "" if split == "train" else f" of {split}"
        out[position] = (
            f"{how} stands in row {content.visible(str(where.ids[at]))}{of}, labelled "
            f"{content.visible(_desk.classes[where.labels[at]])}."
        )
    return out


def copy_sentences(desk: Desk) -> dict[int, str]:
    """Per position, a sentence about a copy with another label; of near ones once those are known,
    which they are from the first look at *Duplicates* on."""
    project = desk.session.project
    return _sentences(str(project.root), desk.session.run.id, copies_known(project), desk)


def copies_box(desk: Desk, who: str) -> None:
    """The sets a page at a time, what one or all of them need, and the way back."""
    if (told := st.session_state.pop(_TOLD, None)) is not None:
        st.toast(told, icon=":material/check:")
    project = desk.session.project
    with st.empty():  # of the spinner
        found = _sets(str(project.root), project.fingerprint, project)
    if not found:
        st.info("No two rows are copies of each other, within a split or across splits.")
        return
    sets = standing(desk, found)
    st.markdown(_counts(sets), help=_HELP)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            "Exclude all but one of each set …", key="copies_all", type="primary",
            disabled=all(one.settled for one in sets),
        ):  # fmt: skip
            _confirm(desk, who, sets)
        undo_button(desk, who)
    for number in range(len(sets))[page_of(len(sets), SHOWN, "copies_page")]:
        _card(desk, who, sets[number], number)


def _counts(sets: list[Copies]) -> str:
    """How many sets there are, and of which kinds."""
    parts = [
        (sum(one.differ for one in sets), "with different labels"),
        (sum(one.leaks for one in sets), "in train and in another split"),
        (sum(bool(one.training) and one.settled for one in sets), "decided"),
    ]
    kinds = ", ".join(f"{numbers.count(count)} {what}" for count, what in parts if count)
    return f"**{numbers.many(len(sets), 'set')}** of copies" + (f": {kinds}" if kinds else "")


@st.dialog("Exclude all but one of each set?")
def _confirm(desk: Desk, who: str, sets: list[Copies]) -> None:
    todo = [one for one in sets if not one.settled]
    near = [one for one in todo if one.kind == "near"]
    if near and not st.checkbox(
        f"Near copies too ({numbers.many(len(near), 'set')})", key="copies_near",
        value=len(near) == len(todo),
        help="They are found by likeness, and some may be no copies to you: look at them first.",
    ):  # fmt: skip
        todo = [one for one in todo if one.kind == "exact"]
    choices = keep_one_each(desk, todo)
    rows = numbers.many(len(choices), "training row")
    st.markdown(f"**{rows}** of {numbers.many(len(todo), 'set')}")
    for line in [*_what_goes(todo), "One undo takes all of it back."]:
        st.caption(line)
    if st.button(f"Exclude {rows}", key="copies_save", type="primary", disabled=not choices):
        try:
            _decide(desk, who, choices, f"{rows} excluded")
        except TurnoverError as error:
            st.error(plain(str(error)))
            return
        st.rerun()


def _what_goes(todo: list[Copies]) -> list[str]:
    """Which row of these sets stays."""
    leaking, tied = sum(one.stays is None for one in todo), sum(one.tied for one in todo)
    lines = []
    if inside := len(todo) - leaking:
        lines.append(
            f"{numbers.many(inside, 'set')} within train: the first row whose label agrees with "
            "the majority stays."
        )
    if tied:
        lines.append(
            f"Of these, {numbers.count(tied)} without a majority: the label that the model finds "
            "likelier stays. Look at them first."
        )
    if leaking:
        lines.append(
            f"{numbers.many(leaking, 'set')} across splits: the training rows go, so that nothing "
            "is measured on what was learned. *Move to train*, at a set, lets those stay."
        )
    return lines


def _decide(desk: Desk, who: str, choices: list[Choice], what: str) -> None:
    desk.decide(who, choices)
    _tell(f"{what}. Undo is above the sets.")


def _tell(what: str) -> None:
    st.session_state[_TOLD] = f"Saved: {what}"


def _card(desk: Desk, who: str, one: Copies, number: int) -> None:
    image = desk.session.project.dataset.modality == "image"
    first = one.rows[0]
    key = to_hex(desk.session.project.dataset.split(first.split).keys[first.position])
    with st.container(border=True, gap="small", key=f"copies_{first.split}_{key}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _title(desk, one, number)
        same = one.kind == "exact"
        if same:  # once for all rows
            _content(desk, first)
        with st.grid(
            columns="auto", min_column_width=150 if image else 180 if same else 300, gap="xsmall"
        ):
            for row in _drawn(one):
                with st.container(border=True, gap="xxsmall"):
                    if not same:
                        _content(desk, row)
                    _row(desk, who, one, row)
        if (rest := len(one.rows) - MOST_ROWS) > 0:
            st.caption(
                f"and {numbers.many(rest, 'row')} more, which `turnover labels "
                f"{desk.session.project.root.name} --duplicates --out copies.csv` lists"
            )
        _answers(desk, who, one, f"{first.split}_{key}")


def _title(desk: Desk, one: Copies, number: int) -> None:
    kind = "Exact copies" if one.kind == "exact" else "Near copies"
    st.markdown(f"**{number + 1} · {kind}** · {len(one.rows)} rows", width="content")
    if one.differ:
        voices = Counter(desk.classes[row.label] for row in one.rows if row.label >= 0)
        told = ", ".join(f"{count} {plain(name)}" for name, count in voices.most_common(4))
        st.badge(f"labels differ: {told}", icon=":material/flag:", color="orange")
    if one.leaks and not one.moved:
        others = dict.fromkeys(row.split for row in one.rows if row.split != "train")
        st.badge(f"in train and {plain(', '.join(others))}", icon=":material/water_drop:",
                 color="red")  # fmt: skip
    if one.moved:
        st.badge("moved to train", icon=":material/move_item:", color="gray")
    if one.settled and one.training:
        st.badge("decided", icon=":material/check:", color="gray")


def _drawn(one: Copies) -> list[Copy]:
    """The first rows, with the one that stays among them."""
    shown = list(one.rows[:MOST_ROWS])
    stays = [row for row in one.training if row.position == one.stays]
    return shown if not stays or stays[0] in shown else [*shown[:-1], *stays]


def _content(desk: Desk, row: Copy) -> None:
    split = desk.session.project.dataset.split(row.split)
    label = desk.classes[row.label] if row.label >= 0 else "no label"
    content.show(split, int(split.keys[row.position]), alt=f"Row of {row.split}: {label}")


def _row(desk: Desk, who: str, one: Copies, row: Copy) -> None:
    split = desk.session.project.dataset.split(row.split)
    key = int(split.keys[row.position])
    label = plain(desk.classes[row.label]) if row.label >= 0 else "no label"
    line = f"**{label}**"
    if row.new_label is not None:
        line = f"~~{label}~~ **{plain(row.new_label)}**"
    where = f"{plain(row.split)} · row {plain(str(split.ids[row.position]))}"
    st.markdown(f"{line}  \n:small[{where}]")
    if row.excluded:
        said = "excluded" if row.split == "train" else f"left out of {plain(row.split)}"
        st.badge(said, icon=":material/check:", color="gray")
    elif row.outcome == "disputed":
        st.badge("disputed", color="orange")
    elif row.split != "train" or one.settled or row.position == one.stays:
        st.badge("stays", icon=":material/push_pin:", color="green")
    if (
        row.split == "train"
        and one.stays is not None
        and (row.excluded or row.position != one.stays)
    ):
        st.button(
            "Keep this one instead", key=f"copy_this_{to_hex(key)}", type="tertiary",
            on_click=or_toast, args=(_one_stays, desk, who, one, row.position),
        )  # fmt: skip


def _answers(desk: Desk, who: str, one: Copies, place: str) -> None:
    """What can be said of the whole set."""
    if not one.training:
        st.caption("None of these rows is trained on; decide on them as items, on Errors.")
        return
    if one.moved:
        st.button(
            "Move back", key=f"copies_back_{place}", type="tertiary",
            help="The rows that were left out of other splits count there again.",
            on_click=or_toast, args=(_moves_back, desk, who, one),
        )  # fmt: skip
    if one.settled:
        return
    count, kind = len(keep_one(desk, one)), "training row" if one.stays is None else "other row"
    going = kind if count == 1 else numbers.many(count, kind)
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"Exclude the {going}", key=f"copies_one_{place}",
            on_click=or_toast, args=(_one_stays, desk, who, one, None),
        )  # fmt: skip
        if can_move(one):
            st.button(
                "Move to train", key=f"copies_move_{place}",
                help="The rows of other splits are left out there, since train has a copy of "
                "them: nothing is measured on what was learned, and nothing is lost to training.",
                on_click=or_toast, args=(_moves, desk, who, one),
            )  # fmt: skip
        if one.differ and one.stays is not None:
            name = plain(label_of(desk, one))
            st.button(
                f"Change all to {name}", key=f"copies_label_{place}",
                help="All rows stay in training, with one label.",
                on_click=or_toast, args=(_one_label, desk, who, one),
            )  # fmt: skip
        st.button(
            "Keep all", key=f"copies_keep_{place}", type="tertiary",
            help="They are no copies to you, or are meant to count several times.",
            on_click=or_toast, args=(_all_stay, desk, who, one),
        )  # fmt: skip


def _one_stays(desk: Desk, who: str, one: Copies, stays: int | None) -> None:
    # As the decisions stand now, here and below: Streamlit may play a press again.
    choices = keep_one(desk, *as_now(desk, [one]), one.stays if stays is None else stays)
    excluded = sum(choice.verdict == "exclude" for choice in choices)
    if choices:
        _decide(desk, who, choices, f"{numbers.many(excluded, 'row')} excluded")


def _one_label(desk: Desk, who: str, one: Copies) -> None:
    choices = one_label(desk, *as_now(desk, [one]))
    if choices:
        _decide(desk, who, choices, f"all labelled {plain(label_of(desk, one))}")


def _all_stay(desk: Desk, who: str, one: Copies) -> None:
    choices = keep_all(*as_now(desk, [one]))
    if choices:
        _decide(desk, who, choices, f"{numbers.many(len(choices), 'row')} kept")


def _moves(desk: Desk, who: str, one: Copies) -> None:
    if moved := move_to_train(desk, *as_now(desk, [one]), who):
        _tell(f"{numbers.many(moved, 'row')} moved to train. Move back is below the set.")


def _moves_back(desk: Desk, who: str, one: Copies) -> None:
    (now,) = as_now(desk, [one])
    if now.moved:
        _tell(f"{numbers.many(move_back(desk, now, who), 'row')} back where they were.")
