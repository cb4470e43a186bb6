"""Exports from pages: format and options, writing it, and what was made. Errors and Clean data."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.cleanse.export import export_project
from influence_core.workflow.results import (
    EXPORT_FORMATS,
    OWN_FORMATS,
    Edit,
    ExportOptions,
    Project,
    natural_format,
    usual_suffix,
)
from pages.ui.draw.text import plain

Chosen = tuple[str, ExportOptions]


def export_options(project: Project, key: str = "export", split: str = "train") -> Chosen:
    """Format, and what may be chosen with it; `key` begins the widgets' keys."""
    own = natural_format(project.dataset, split)
    formats = [f for f in EXPORT_FORMATS if f not in OWN_FORMATS or f == own]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form = st.selectbox(
            "Format", formats, index=formats.index(own), key=f"{key}_format", width=260,
            format_func=lambda f: EXPORT_FORMATS[f] + (" (as the source)" if f == own else ""),
        )  # fmt: skip
        text = form in ("csv", "folder")
        safe = st.checkbox(
            "Escape formulas (Excel)", key=f"{key}_safe", disabled=not text,
            help="Puts an apostrophe before text that a spreadsheet would run as a formula. This "
            "changes text, so it is off by default; reverting undoes it.",
        )  # fmt: skip
        copy = st.checkbox(
            "Copy pictures", key=f"{key}_copy", disabled=form != "folder",
            help="Into a tree of class folders beside the CSV of paths.",
        )  # fmt: skip
    return form, ExportOptions(
        spreadsheet_safe=bool(safe and text),
        copy_images=bool(copy and form == "folder"),
        split=split,
    )


def write_export(
    project: Project,
    edits: Sequence[Edit],
    stem: str,
    chosen: Chosen,
    run: str,
    key: str = "export",
) -> None:
    """Write it into the project's folder of exports, or say why it cannot be."""
    form, options = chosen
    folder = project.exports_folder
    target = _free(folder, stem, usual_suffix(project.dataset, form, options.split))
    st.session_state.pop(f"{key}_made", None)
    try:
        folder.mkdir(exist_ok=True)
        with st.spinner("Writing …"):
            export_project(project, edits, target, form, options, run)
    except TurnoverError as error:
        st.error(plain(str(error)))
        return
    except OSError as error:
        st.error(plain(f"{folder} cannot be written: {error.strerror}."))
        return
    st.session_state[f"{key}_made"] = target


def made(project: Project, key: str = "export") -> None:
    """The downloads of what was written last, and where it lies."""
    target = st.session_state.get(f"{key}_made")
    if target is None or project.exports_folder not in target.parents:
        return
    if target.is_file():
        manifest = target.with_name(f"{target.name}.manifest.json")
        with st.container(horizontal=True):
            for name, path in (("data", target), ("manifest", manifest)):
                st.download_button(
                    f"Download {name}", path.read_bytes, file_name=path.name, key=f"{key}_{name}",
                    on_click="ignore",
                )  # fmt: skip
    if target.exists():
        st.caption(f"Kept in {plain(str(target))}; can be undone with `turnover export --revert`.")


def _free(folder: Path, name: str, suffix: str) -> Path:
    """A path that is not taken yet; earlier exports stay."""
    path, count = folder / f"{name}{suffix}", 1
    while path.exists():
        count += 1
        path = folder / f"{name}-{count}{suffix}"
    return path
