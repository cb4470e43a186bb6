"""The wizard: from data of the user's own to a project, seen before anything is made.

Source, columns, what is in it and what is wrong with it; then one button, by which a job makes the
project and trains it, and the errors open (`wizard_make`, `making`). Everything that comes from the
data is drawn as data.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence_core.errors import DataError, TurnoverError
from influence_core.progress import ProgressFn
from influence_core.workflow.projects.findings import COMPARED
from influence_core.workflow.projects.looking import inspect_safely, look_safely
from influence_core.workflow.projects.preview import (
    FirstLook,
    Inspection,
)
from influence_core.workflow.results import CONTENT_WORDS, TITLES, ReadOptions, projects_home
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.projects.cards import short
from pages.ui.projects.waiting import stoppable
from pages.ui.projects.wizard_columns import columns, how_to_read
from pages.ui.projects.wizard_features import own_features, refuse_paths, told
from pages.ui.projects.wizard_findings import account, balance, head, problems
from pages.ui.projects.wizard_make import make
from pages.ui.projects.wizard_source import ChosenSource, choose_source

T = TypeVar("T")


def wizard() -> None:
    """All steps that can be shown yet, one below the other."""
    try:
        source = choose_source()
        if source is not None:
            _steps(source)
    except DataError as error:
        st.error(plain(visible(str(error))))


def _steps(source: ChosenSource) -> None:
    bad_rows = _bad_rows(source)
    # What leads to the button stands above what few look at, and is on the first screen.
    way, details = st.container(key="wizard_way_on"), st.container(key="wizard_details")
    with details:
        reading = replace(how_to_read(source), bad_rows=bad_rows)
    try:
        with details:
            reading = replace(reading, features=own_features(source))
        with way:
            look = _looked(source, reading)
            if look is not None:
                _to_the_button(source, look, reading, details)
    except TurnoverError as error:
        with way:
            _refused(source, error)


def _to_the_button(
    source: ChosenSource, look: FirstLook, reading: ReadOptions, details: DeltaGenerator
) -> None:
    refuse_paths(reading.features, source, look)
    own = f", features of {told(reading.features)}" if reading.features else ""
    st.caption(f"{_kind(source, look)}: **{short(source.title)}**{own}")
    options = columns(source, look, reading)
    with details:
        head(look.head)
    if options is None:
        return
    found = _inspected(source, options)
    if found is None:
        return
    _counts(found)
    problems(found.problems)
    make(source, options, found)
    with details:
        _contents(found)


def _kind(source: ChosenSource, look: FirstLook) -> str:
    """What was given: a ZIP of pictures is kept as a table, which nobody gave."""
    zipped = source.title.lower().endswith(".zip") and look.kind == "parquet"
    return TITLES["zip"] if zipped else look.title


def _bad_rows(source: ChosenSource) -> Literal["drop", "refuse"]:
    """Asked before anything is read: even the first look may fail at a bad row."""
    drop = st.toggle(
        "Leave bad rows out",
        key=f"wizard_drop_{source.token}",
        help="Rows without a label, without content, with a broken picture or with too many or "
        "too few fields. Your file stays as it is.",
    )
    return "drop" if drop else "refuse"


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


def _counts(found: Inspection) -> None:
    what = CONTENT_WORDS[found.modality][1]
    rows = ", ".join(f"{numbers.count(n)} {plain(split)}" for split, n in found.rows.items())
    st.caption(
        f"{numbers.count(sum(found.rows.values()))} {what}: {rows}", help=COMPARED[found.modality]
    )


def _contents(found: Inspection) -> None:
    with st.container(horizontal=True, gap="small"):
        for data, label in found.thumbnails:
            st.image(
                data,
                alt=f"Image labelled {visible(label)}",
                caption=plain(visible(label)),
                width=96,
            )
    account(found.account, "wizard")
    balance(found.balance)


def _refused(source: ChosenSource, error: TurnoverError) -> None:
    st.error(plain(visible(source.sentence(error))))
    st.caption("Nothing was created. Fix the data and give it again, or choose something else.")
