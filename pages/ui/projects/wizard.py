"""The wizard: from data of the user's own to a project, seen before anything is made.

Source, columns, what is in it and what is wrong with it, the split, the name; then the verb `new`
makes the project as a job, whole or not at all, and training follows on the same page. Everything
that comes from the data is drawn as data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import streamlit as st

from influence_core.errors import DataError, TurnoverError
from influence_core.progress import ProgressFn
from influence_core.workflow.projects.create import folder_name
from influence_core.workflow.projects.looking import inspect_safely, look_safely
from influence_core.workflow.projects.preview import (
    FirstLook,
    Inspection,
)
from influence_core.workflow.results import NO_COLUMN, ReadOptions, projects_home
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.frame import jobs as jobs_ui
from pages.ui.projects.cards import short
from pages.ui.projects.waiting import stoppable
from pages.ui.projects.wizard_findings import balance, head, problems
from pages.ui.projects.wizard_source import ChosenSource, choose_source

T = TypeVar("T")
NONE, FIND = "(none)", "(choose)"
SHARE = 15  # per cent


@dataclass(frozen=True)
class Choices:
    """What is known when the project can be made."""

    source: ChosenSource
    options: ReadOptions
    drop_bad: bool
    valid: int = SHARE
    test: int = SHARE


def wizard() -> None:
    """All steps that can be shown yet, one below the other."""
    try:
        source = choose_source()
        if source is not None:
            _steps(source)
    except DataError as error:
        st.error(plain(visible(str(error))))


def _steps(source: ChosenSource) -> None:
    try:
        look = _looked(source)
    except TurnoverError as error:
        _refused(source, error)
        return
    if look is None:
        return
    st.markdown("##### Columns")
    st.caption(f"{look.title}: {short(source.title)}")
    options = _columns(source, look)
    head(look.head)
    if options is None:
        return
    st.markdown("##### Data check")
    drop_bad = st.toggle(
        "Leave bad rows out",
        key=f"wizard_drop_{source.token}",
        help="Rows without a label, without content, with a broken picture or with too many or "
        "too few fields. Your file stays as it is.",
    )
    try:
        found = _inspected(source, options, drop_bad)
    except TurnoverError as error:
        _refused(source, error)
        return
    if found is None:
        return
    _contents(found)
    problems(found.problems)
    _make(Choices(source, options, drop_bad), found)


def _columns(source: ChosenSource, look: FirstLook) -> ReadOptions | None:
    """The menus; None as long as the label or the content is not chosen."""
    roles, names = look.roles, list(look.columns)
    if look.problem:
        st.warning(plain(visible(source.sentence(DataError(look.problem)))))
    with st.container(horizontal=True, gap="medium"):
        content = _menu("Sentence or image", source, names, roles.content if roles else None, FIND)
        label = _menu("Label", source, names, roles.label if roles else None, FIND)
        ident = _menu("Id", source, names, roles.id if roles else None, NONE)
    if roles is not None and roles.split is not None:
        st.caption(f"Splits come from the column {short(roles.split)}.")
    if content is None or label is None:
        st.info("Choose the column of the sentence or image, and the column of the label.")
        return None
    return ReadOptions(
        kind=look.kind,
        content_column=content,
        label_column=label,
        id_column=NO_COLUMN if ident is None else ident,
    )


def _menu(
    title: str, source: ChosenSource, names: list[str], guess: str | None, nothing: str
) -> str | None:
    # Numbers, not names: a column may be called like the word for no column.
    chosen = st.selectbox(
        title,
        [-1, *range(len(names))],
        index=names.index(guess) + 1 if guess in names else 0,
        format_func=lambda i: nothing if i < 0 else visible(names[i])[:80],
        key=f"wizard_{title}_{source.token}",
        width=260,
    )
    return None if chosen < 0 else names[chosen]


def _looked(source: ChosenSource) -> FirstLook | None:
    """Look once at each source; None as long as the user has stopped it."""
    options = ReadOptions(kind=source.kind)
    return _once(
        "wizard_look",
        (source.place, options, _stamp(source.place)),
        lambda tell: look_safely(projects_home(), source.place, options, progress=tell),
    )


def _inspected(source: ChosenSource, options: ReadOptions, drop_bad: bool) -> Inspection | None:
    """Read everything once for each set of answers; None as long as the user has stopped it."""
    return _once(
        "wizard_seen",
        (source.place, options, drop_bad, _stamp(source.place)),
        lambda tell: inspect_safely(
            projects_home(), source.place, options, drop_bad=drop_bad, progress=tell
        ),
    )


def _once(name: str, question: tuple[object, ...], work: Callable[[ProgressFn], T]) -> T | None:
    known = st.session_state.get(name)
    if known is not None and known[0] == question:
        return known[1]
    found = stoppable(name, question, work)
    if found is not None:
        st.session_state[name] = (question, found)
    return found


def _stamp(place: str) -> tuple[int, int]:
    """Changes with the file."""
    try:
        state = Path(place).stat()
    except OSError:  # a name on the hub
        return 0, 0
    return state.st_mtime_ns, state.st_size


def _contents(found: Inspection) -> None:
    what = "sentences" if found.modality == "text" else "images"
    rows = ", ".join(f"{numbers.count(n)} {plain(split)}" for split, n in found.rows.items())
    out = f"; {numbers.count(found.dropped)} bad rows left out" if found.dropped else ""
    st.caption(f"{numbers.count(sum(found.rows.values()))} {what}: {rows}{out}")
    with st.container(horizontal=True, gap="small"):
        for data, label in found.thumbnails:
            st.image(data, alt=f"Image labelled {visible(label)}", width=96)
    balance(found.balance)


def _make(choices: Choices, found: Inspection) -> None:
    st.markdown("##### Project")
    token = choices.source.token
    if found.missing_splits:
        missing = " and ".join(found.missing_splits)
        st.caption(
            f"The data has no {missing} split, so rows are held out of train: stratified, "
            "duplicates kept together. valid is for choosing, test for testing."
        )
        with st.container(horizontal=True, gap="large"):
            shares = {
                name: st.slider(
                    f"{name}, share of the rows", 5, 30, SHARE, 5, format="%d %%",
                    key=f"wizard_{name}_{token}", width=260,
                )
                for name in found.missing_splits
            }  # fmt: skip
        choices = Choices(choices.source, choices.options, choices.drop_bad, **shares)
    name = st.text_input(
        "Name",
        value=visible(choices.source.title.rsplit("/", 1)[-1].rsplit(".", 1)[0])[:60],
        max_chars=60,
        key=f"wizard_name_{token}",
        width=340,
    )
    refused = _name_problem(name)
    if not found.usable:
        st.info("Fix the errors above in the source, or leave bad rows out; nothing is made yet.")
    elif refused:
        st.warning(plain(visible(refused)))
    st.button(
        "Create the project",
        key="wizard_create",
        type="primary",
        disabled=bool(refused) or not found.usable,
        on_click=_begin,
        args=(choices, name),
    )


def _name_problem(name: str) -> str:
    try:
        folder = folder_name(name)
    except DataError as error:
        return str(error)
    if (projects_home() / folder).exists():
        return f"There is a project in the folder {folder} already; choose another name."
    return ""


def _begin(choices: Choices, name: str) -> None:
    """Start the verb `new`; with `=`, no value of the user's can be taken for an option."""
    options = choices.options
    arguments = [
        "new",
        f"--name={name}",
        f"--content={options.content_column}",
        f"--label={options.label_column}",
        f"--id={options.id_column}",
        f"--kind={options.kind}",
        f"--valid-share={choices.valid / 100}",
        f"--test-share={choices.test / 100}",
        *(["--drop-bad"] if choices.drop_bad else []),
        "--",
        choices.source.place,
    ]
    job = jobs_ui.begin(projects_home(), arguments, title=f"Create {visible(name)}")
    if job is not None:
        st.query_params["making"] = job.id


def _refused(source: ChosenSource, error: TurnoverError) -> None:
    st.error(plain(visible(source.sentence(error))))
    st.caption("Nothing was created. Fix the data and give it again, or choose something else.")
