"""The wizard: from data of the user's own to a project, seen before anything is made.

Source, columns, what is in it and what is wrong with it, the split, the name; then the verb `new`
makes the project as a job, whole or not at all, and training follows on the same page. Everything
that comes from the data is drawn as data.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import streamlit as st

from influence_core.errors import DataError, TurnoverError
from influence_core.progress import ProgressFn
from influence_core.workflow.projects.create import folder_name
from influence_core.workflow.projects.findings import COMPARED
from influence_core.workflow.projects.looking import inspect_safely, look_safely
from influence_core.workflow.projects.preview import (
    FirstLook,
    Inspection,
)
from influence_core.workflow.results import CONTENT_WORDS, ReadOptions, projects_home
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.frame import jobs as jobs_ui
from pages.ui.projects.cards import short
from pages.ui.projects.waiting import stoppable
from pages.ui.projects.wizard_columns import columns, how_to_read
from pages.ui.projects.wizard_features import own_features, refuse_paths, told
from pages.ui.projects.wizard_findings import account, balance, head, problems
from pages.ui.projects.wizard_source import ChosenSource, choose_source

T = TypeVar("T")
SHARE = 15  # per cent


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
        reading = replace(how_to_read(source), features=own_features(source))
        look = _looked(source, reading)
    except TurnoverError as error:
        _refused(source, error)
        return
    if look is None:
        return
    refuse_paths(reading.features, source, look)
    st.markdown("##### Columns")
    own = f", features of {told(reading.features)}" if reading.features else ""
    st.caption(f"{look.title}: {short(source.title)}{own}")
    options = columns(source, look, reading)
    head(look.head)
    if options is None:
        return
    st.markdown("##### Data check")
    drop = st.toggle(
        "Leave bad rows out",
        key=f"wizard_drop_{source.token}",
        help="Rows without a label, without content, with a broken picture or with too many or "
        "too few fields. Your file stays as it is.",
    )
    options = replace(options, bad_rows="drop" if drop else "refuse")
    try:
        found = _inspected(source, options)
    except TurnoverError as error:
        _refused(source, error)
        return
    if found is None:
        return
    _contents(found)
    problems(found.problems)
    st.caption(COMPARED[found.modality])
    _make(source, options, found)


def _looked(source: ChosenSource, options: ReadOptions) -> FirstLook | None:
    """Look once at each source; None as long as the user has stopped it."""
    return _once(
        "wizard_look",
        (source.place, options, _stamp(source.place)),
        lambda tell: look_safely(projects_home(), source.place, options, progress=tell),
    )


def _inspected(source: ChosenSource, options: ReadOptions) -> Inspection | None:
    """Read everything once for each set of answers; None as long as the user has stopped it."""
    return _once(
        "wizard_seen",
        (source.place, options, _stamp(source.place)),
        lambda tell: inspect_safely(projects_home(), source.place, options, progress=tell),
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
    what = CONTENT_WORDS[found.modality][1]
    rows = ", ".join(f"{numbers.count(n)} {plain(split)}" for split, n in found.rows.items())
    st.caption(f"{numbers.count(sum(found.rows.values()))} {what}: {rows}")
    account(found.account, "wizard")
    with st.container(horizontal=True, gap="small"):
        for data, label in found.thumbnails:
            st.image(data, alt=f"Image labelled {visible(label)}", width=96)
    balance(found.balance)


def _make(source: ChosenSource, options: ReadOptions, found: Inspection) -> None:
    st.markdown("##### Project")
    token = source.token
    if found.missing_splits:
        missing = " and ".join(found.missing_splits)
        bare = any(name in found.account.unlabelled for name in found.missing_splits)
        st.caption(
            f"The data has no {missing} split{' with labels' * bare}, so rows are held out of "
            "train: stratified, duplicates kept together. valid is for choosing, test for testing."
        )
        with st.container(horizontal=True, gap="large"):
            shares = {
                f"{name}_share": st.slider(
                    f"{name}, share of the rows", 0, 30, SHARE, 5, format="%d %%",
                    key=f"wizard_{name}_{token}", width=260,
                ) / 100
                for name in found.missing_splits
            }  # fmt: skip
        options = replace(options, **shares)
    name = st.text_input(
        "Name",
        value=visible(source.title.rsplit("/", 1)[-1].rsplit(".", 1)[0])[:60],
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
        args=(source, options, name),
    )


def _name_problem(name: str) -> str:
    try:
        folder = folder_name(name)
    except DataError as error:
        return str(error)
    if (projects_home() / folder).exists():
        return f"There is a project in the folder {folder} already; choose another name."
    return ""


def _begin(source: ChosenSource, options: ReadOptions, name: str) -> None:
    """Start the verb `new`; with `=`, no value of the user's can be taken for an option."""
    told = json.dumps(asdict(options))
    arguments = ["new", f"--name={name}", f"--options={told}", "--", source.place]
    job = jobs_ui.begin(projects_home(), arguments, title=f"Create {visible(name)}")
    if job is not None:
        st.query_params["making"] = job.id


def _refused(source: ChosenSource, error: TurnoverError) -> None:
    st.error(plain(visible(source.sentence(error))))
    st.caption("Nothing was created. Fix the data and give it again, or choose something else.")
