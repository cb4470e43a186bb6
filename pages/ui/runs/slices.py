"""Saved slices on the Runs page: how right each run is on them, and what changed between two."""

import pandas as pd
import streamlit as st

from influence_core.workflow.results import Project, RunRecord
from influence_core.workflow.slices.saved import slices_of_runs
from influence_core.workflow.train.runs.names import run_names
from pages.ui.draw import numbers
from pages.ui.draw.content import visible

MOST_RUNS = 6  # side by side
CHANGES = {"fixed": "Wrong → right", "broken": "Right → wrong"}


def run_slices(project: Project, records: list[RunRecord]) -> None:
    """How right the newest runs are on each slice that somebody saved."""
    shown = [record.id for record in records[:MOST_RUNS]]
    found = slices_of_runs(project, shown)
    if not found:
        return
    names = run_names(records)
    st.markdown(
        "**Saved slices**",
        help="Share of the labelled items of each slice that a run has right; the same items for "
        f"every run. The newest {MOST_RUNS} runs at most. Slices are saved on Explore.",
    )
    lines = [
        {
            "slice": visible(one.kept.name),
            "split": visible(one.kept.split),
            "items": one.items,
            **{
                names[run]: numbers.percent(one.right[run] / one.items, 1)
                if run in one.right and one.items
                else ""
                for run in shown
            },
        }
        for one in found
    ]
    st.dataframe(pd.DataFrame(lines), hide_index=True, key="runs_slices", placeholder="–")


def changed_slices(project: Project, first: str, second: str) -> None:
    """The same two runs on the saved slices, those with most change first."""
    found = [one for one in slices_of_runs(project, [first, second]) if one.changed and one.items]
    if not found or first == second:
        return
    found.sort(key=lambda one: one.chance)
    lines = []
    for one in found:
        fixed, broken = one.changed or (0, 0)
        lines.append(
            {
                "saved slice": visible(one.kept.name),
                "split": visible(one.kept.split),
                "items": one.items,
                "from": numbers.percent(one.right[first] / one.items, 1),
                "to": numbers.percent(one.right[second] / one.items, 1),
                "points": round(100 * (fixed - broken) / one.items, 1),
                CHANGES["fixed"]: fixed,
                CHANGES["broken"]: broken,
                "by chance": round(one.chance, 3),
            }
        )
    by_chance = st.column_config.Column(
        help="Probability of a split of the changed items as uneven as this, were both runs "
        "equally good (McNemar's exact test). Of each slice by itself: of twenty, one is below "
        "0.05 by chance."
    )
    st.dataframe(
        pd.DataFrame(lines), hide_index=True, key="compare_slices", placeholder="–",
        column_config={"by chance": by_chance},
    )  # fmt: skip
