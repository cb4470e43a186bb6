"""The end of the wizard: the name, what few need to set, and the one button that does the rest."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.expected import Expected, making_time, shape_found
from influence_core.workflow.projects.create import folder_name
from influence_core.workflow.projects.encoders import EncoderChoice, image_encoders
from influence_core.workflow.projects.preview import Inspection
from influence_core.workflow.results import ReadOptions, projects_home
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.projects.wizard_proba import own_predictions
from pages.ui.projects.wizard_source import ChosenSource
from pages.ui.train import set_in, training_settings, what_follows

SHARE = 15  # per cent


def make(source: ChosenSource, options: ReadOptions, found: Inspection) -> None:
    """From what was read to a job that makes the project, and trains it or takes predictions."""
    token = source.token
    own = options.features is not None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.text_input(
            "Name of the project",
            value=visible(source.title.rsplit("/", 1)[-1].rsplit(".", 1)[0])[:60],
            max_chars=60,
            key=f"wizard_name_{token}",
            width=340,
        )
        encoder = _encoder(token) if found.modality == "image" and not own else None
        place = st.container(width="content")
    notes = st.container()
    predicted = own_predictions(source, tuple(found.rows))
    with st.expander("Advanced", key=f"wizard_advanced_{token}"):
        options = _splits(found, options, token)
        how = None if predicted else training_settings("fit", shape_found(found))
        if how is None:
            st.caption("There is nothing to set of a training: your model is trained already.")
    spec = None if own else encoder.spec if encoder else "minilm"
    time = making_time(found, spec, how)
    refused = _name_problem(name)
    more = [*(["--encoder", encoder.spec] if encoder else []), *predicted]
    with place:
        st.button(
            f"Show your model ({time.short})" if predicted else f"Train ({time.short})",
            key="wizard_create",
            type="primary",
            disabled=bool(refused) or not found.usable,
            on_click=_begin,
            args=(source, options, name, more, time, how is not None),
        )
    with notes:
        _notes(found, refused, encoder)
        work = "Reads and encodes" if predicted else "Reads, encodes and trains"
        st.caption(f"{work} in the background, then opens the errors. {time.source}")


def _notes(found: Inspection, refused: str, encoder: EncoderChoice | None) -> None:
    """What stands in the button's way, and what it does."""
    if not found.usable:
        st.info("Fix the errors above in the source, or leave bad rows out; nothing is made yet.")
    elif refused:
        st.warning(plain(visible(refused)))
    if encoder:
        where = f"Fetches {encoder.fetches}." if encoder.fetches else "On this machine."
        st.caption(f"{encoder.good_for} {where}")
    _missing_splits(found)


def _encoder(token: str) -> EncoderChoice:
    """What sees the pictures."""
    known = {choice.spec: choice for choice in image_encoders()}
    spec = st.segmented_control(
        "Encoder", list(known), default=next(iter(known)), required=True,
        format_func=lambda spec: known[spec].title, key=f"wizard_encoder_{token}",
    )  # fmt: skip
    return known[str(spec)]


def _missing_splits(found: Inspection) -> None:
    if not found.missing_splits:
        return
    missing = " and ".join(found.missing_splits)
    bare = any(name in found.account.unlabelled for name in found.missing_splits)
    st.caption(
        f"The data has no {missing} split{' with labels' * bare}, so rows are held out of train: "
        "stratified, duplicates kept together. valid is for choosing, test for testing."
    )


def _splits(found: Inspection, options: ReadOptions, token: str) -> ReadOptions:
    if not found.missing_splits:
        return options
    with st.container(horizontal=True, gap="large"):
        shares = {
            f"{name}_share": st.slider(
                f"{name}, share of the rows", 0, 30, SHARE, 5, format="%d %%",
                key=f"wizard_{name}_{token}", width=260,
            ) / 100
            for name in found.missing_splits
        }  # fmt: skip
    return replace(options, **shares)


def _name_problem(name: str) -> str:
    try:
        folder = folder_name(name)
    except DataError as error:
        return str(error)
    if (projects_home() / folder).exists():
        return f"There is a project in the folder {folder} already; choose another name."
    return ""


def _begin(
    source: ChosenSource,
    options: ReadOptions,
    name: str,
    more: Sequence[str],
    time: Expected,
    trains: bool,
) -> None:
    """Start the verb `new`; with `=`, no value of the user's can be taken for an option."""
    told = f"--options={json.dumps(asdict(options))}"
    training = _training() if trains else []
    arguments = ["new", f"--name={name}", told, *more, *training, "--", source.place]
    title = f"Train {visible(name)}" if trains else f"Show your model of {visible(name)}"
    job = jobs_ui.begin(projects_home(), arguments, title=title, expected=time.seconds)
    if job is not None:
        st.query_params["making"] = job.id


def _training() -> list[str]:
    """What the verb is told of it."""
    return ["--train", f"--training={json.dumps(asdict(set_in('fit')))}", *what_follows("fit")]
