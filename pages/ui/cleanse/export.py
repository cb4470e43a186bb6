"""Export from the Cleanse page: the cleansed training set, its manifest, and a report."""

from collections.abc import Sequence

import streamlit as st

from influence_core.workflow.cleanse.cleansings import load_cleansing
from influence_core.workflow.cleanse.report import cleansing_report
from influence_core.workflow.cleanse.report_page import report_html
from influence_core.workflow.results import Edit
from influence_core.workflow.session import Session
from pages.ui.frame.exporting import export_options, made, write_export


def export_box(session: Session, name: str, edits: Sequence[Edit], number: int | None) -> None:
    """Format, options, and what was made."""
    project = session.project
    st.markdown("#### Export")
    chosen = export_options(project)
    left, right = st.columns([2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        if st.button("Export the cleansed training set", key="export_go", type="primary"):
            stem = f"cleansed-{name}" if number is None else f"cleansed-{name}-round-{number}"
            write_export(project, edits, stem, chosen, load_cleansing(project, name).run)
        made(project)
    with right:
        st.download_button(
            "Download report (HTML)",
            lambda: report_html(cleansing_report(project, name, number)),
            file_name=f"{project.root.name}-cleansing.html",
            mime="text/html",
            key="report_go",
            on_click="ignore",
            help="One self-contained page: verdicts, curves, classes, examples.",
        )
