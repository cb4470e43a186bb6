"""Export from the Cleanse page: the cleansed training set, its manifest, and a report."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.cleanse.cleansings import load_cleansing
from influence_core.workflow.cleanse.export import export_project
from influence_core.workflow.cleanse.report import cleansing_report
from influence_core.workflow.cleanse.report_page import report_html
from influence_core.workflow.results import (
    EXPORT_FORMATS,
    OWN_FORMATS,
    Edit,
    ExportOptions,
    natural_format,
    usual_suffix,
)
from influence_core.workflow.session import Session
from pages.ui.draw.text import plain


def export_box(session: Session, name: str, edits: Sequence[Edit], number: int | None) -> None:
    """Format, options, and what was made."""
    st.markdown("##### Export")
    options = _options(session)
    left, right = st.columns([2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        if st.button("Export the cleansed training set", key="export_go", type="primary"):
            _export(session, name, edits, number, options)
        _made(session)
    with right:
        st.download_button(
            "Download report (HTML)",
            lambda: report_html(cleansing_report(session.project, name, number)),
            file_name=f"{session.project.root.name}-cleansing.html",
            mime="text/html",
            key="report_go",
            help="One self-contained page: verdicts, curves, classes, examples.",
        )


def _options(session: Session) -> tuple[str, ExportOptions]:
    own = natural_format(session.project.dataset)
    formats = [f for f in EXPORT_FORMATS if f not in OWN_FORMATS or f == own]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form = st.selectbox(
            "Format", formats, index=formats.index(own), key="export_format", width=260,
            format_func=lambda f: EXPORT_FORMATS[f] + (" (as the source)" if f == own else ""),
        )  # fmt: skip
        text = form in ("csv", "folder")
        safe = st.checkbox(
            "Escape formulas (Excel)", key="export_safe", disabled=not text,
            help="Puts an apostrophe before text that a spreadsheet would run as a formula. This "
            "changes text, so it is off by default; reverting undoes it.",
        )  # fmt: skip
        copy = st.checkbox(
            "Copy pictures", key="export_copy", disabled=form != "folder",
            help="Into a tree of class folders beside the CSV of paths.",
        )  # fmt: skip
    return form, ExportOptions(
        spreadsheet_safe=bool(safe and text), copy_images=bool(copy and form == "folder")
    )


def _export(
    session: Session,
    name: str,
    edits: Sequence[Edit],
    number: int | None,
    chosen: tuple[str, ExportOptions],
) -> None:
    form, options = chosen
    run = load_cleansing(session.project, name).run
    folder = session.project.exports_folder
    stem = name if number is None else f"{name}-round-{number}"
    target = _free(folder, stem, usual_suffix(session.project.dataset, form))
    st.session_state.pop("exported", None)
    try:
        folder.mkdir(exist_ok=True)
        with st.spinner("Writing …"):
            export_project(session.project, edits, target, form, options, run)
    except TurnoverError as error:
        st.error(plain(str(error)))
        return
    except OSError as error:
        st.error(plain(f"{folder} cannot be written: {error.strerror}."))
        return
    st.session_state["exported"] = target


def _free(folder: Path, name: str, suffix: str) -> Path:
    """A path that is not taken yet; earlier exports stay."""
    path, count = folder / f"cleansed-{name}{suffix}", 1
    while path.exists():
        count += 1
        path = folder / f"cleansed-{name}-{count}{suffix}"
    return path


def _made(session: Session) -> None:
    target = st.session_state.get("exported")
    if target is None or session.project.exports_folder not in target.parents:
        return
    if target.is_file():
        manifest = target.with_name(f"{target.name}.manifest.json")
        with st.container(horizontal=True):
            st.download_button(
                "Download data", target.read_bytes, file_name=target.name, key="down_data"
            )
            st.download_button(
                "Download manifest",
                manifest.read_bytes,
                file_name=manifest.name,
                key="down_manifest",
            )
    if target.exists():
        st.caption(f"Kept in {plain(str(target))}; can be undone with `turnover export --revert`.")
