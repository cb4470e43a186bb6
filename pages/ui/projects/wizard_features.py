"""Features of the user's own in the wizard: a file with a row of numbers a row, or a column."""

from pathlib import Path

import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.projects.preview import FirstLook
from influence_core.workflow.projects.uploads import FEATURES, MOST_MEGABYTES, keep_upload
from influence_core.workflow.results import projects_home
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.projects.wizard_source import ChosenSource, paths_allowed

WIDTH = 320  # pixels


def own_features(source: ChosenSource) -> str | None:
    """A file, or the name of a column; None as long as none is given."""
    with (
        st.expander("Features of your own", key=f"wizard_features_{source.token}"),
        st.container(horizontal=True, gap="medium", vertical_alignment="bottom"),
    ):
        file = st.file_uploader(
            "File of features",
            type=[suffix.lstrip(".") for suffix in FEATURES],
            max_upload_size=MOST_MEGABYTES,
            key=f"wizard_features_file_{source.token}",
            help="One row of numbers for each row of the data, in its order or with ids. They take "
            "the place of an encoder; rows need no text or picture then. Without them MiniLM or "
            "MobileNet encodes; turnover new --encoder names others.",
            width=WIDTH,
        )
        what = "Column of lists, or path of a file" if paths_allowed() else "Column of lists"
        named = st.text_input(
            what, key=f"wizard_features_name_{source.token}", max_chars=4096, width=WIDTH
        ).strip()
    if file is not None and named:
        raise DataError("Features are given twice; take the file away, or empty the field.")
    return named or None if file is None else kept_file(_name(source), file)


def refuse_paths(features: str | None, source: ChosenSource, look: FirstLook) -> None:
    """Make sure that who may not name files of this machine named a column.

    Raises:
        DataError: it is none, or a path from nowhere.
    """
    if features is None or features in (_known(source), *look.columns):
        return
    if not paths_allowed():
        raise DataError(f"There is no column {features!r} to take features from; upload a file.")
    if not Path(features).expanduser().is_absolute():
        raise DataError(f"{features} is no column and no absolute path; begin a path with / or ~.")


def told(features: str) -> str:
    """What is shown of them: a column, or a file without its folders."""
    return plain(visible(Path(features).name))


def _known(source: ChosenSource) -> str | None:
    kept = st.session_state.get(_name(source))
    return None if kept is None else kept[1]


def _name(source: ChosenSource) -> str:
    return f"wizard_features_kept_{source.token}"


def kept_file(name: str, file: "st.runtime.uploaded_file_manager.UploadedFile") -> str:
    """The place of an uploaded file, remembered in the session by a name; it is written once."""
    kept = st.session_state.get(name)
    if kept is None or kept[0] != file.file_id or not Path(kept[1]).is_file():
        made = keep_upload(projects_home(), file.name, file.getvalue(), suffixes=FEATURES)
        kept = st.session_state[name] = (file.file_id, str(made.resolve()))
    return kept[1]
