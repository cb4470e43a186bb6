"""How the score moved with the decisions: the history that the report has, too."""

import pandas as pd
import streamlit as st

from influence_core.workflow.cleanse.score import history
from influence_core.workflow.results import Project


def history_box(project: Project) -> None:
    """Every measurement, the newest first; nothing before the first one."""
    points = history(project)
    if not points:
        return
    with st.expander("How the score moved", key="score_history"):
        st.dataframe(
            pd.DataFrame(
                {
                    "measured (UTC)": [p.created[:16].replace("T", " ") for p in points],
                    "labels fixed": [p.fixed for p in points],
                    "right as given, %": [100 * p.accuracy for p in points],
                    "moved by, points": [100 * p.mean for p in points],
                    "95 % interval": [f"{100 * p.low:+.1f} to {100 * p.high:+.1f}" for p in points],
                }
            ).iloc[::-1],
            hide_index=True,
            key="score_points",
            column_config={
                name: st.column_config.NumberColumn(format=form)
                for name, form in (("right as given, %", "%.1f"), ("moved by, points", "%+.1f"))
            },
            alt="How the score moved with the decisions",
        )
