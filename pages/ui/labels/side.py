"""Beside the triage desk: how far reviewers are, import and export."""

import tempfile
from pathlib import Path

import pandas as pd
import plotly.express as px
import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.exchange.export_rows import decided_rows
from influence_core.workflow.exchange.formats import Row, write_safe_csv
from influence_core.workflow.exchange.import_decisions import (
    FORMATS,
    apply_decisions,
    read_decisions,
)
from influence_core.workflow.exchange.standing import changed_rows
from influence_core.workflow.results import ReadOptions, agreement, to_hex
from influence_core.workflow.review.desk import Desk
from pages.ui.draw import numbers
from pages.ui.frame.reading import QUOTINGS, encoding_menu, found_menu
from pages.ui.frame.shell import plain

WEAK = (
    "Read the interval as a guide, not a guarantee: it supposes that wrong labels look more "
    "suspicious the higher a row stands in the queue, and is too low where they do not."
)
# Counts as in influence_core/labels/advice.py, which says how they came about.
WEAK_HELP = (
    "It holds the truth 90 times in 100 only where labels are wrong as its model says. In "
    "simulations with a third of the wrong labels looking right it held 24 to 30 times of 30; "
    "where the score says nothing, 15 to 21 of 30. On the two samples it held 6 times of 12 and "
    "was too high the other 6."
)
LATELY = 50  # decisions that the curve of wrong labels runs over
SHOWN_PROBLEMS = 10
MOST_HANDED_OUT = 10_000


def progress_box(desk: Desk) -> None:
    """Decided of flagged and of all, per class, between reviewers; and whether to go on."""
    progress, advice = desk.progress(), desk.advice()
    st.markdown(
        f"**{numbers.count(progress.flagged_decided)}** of {numbers.count(progress.flagged)} "
        f"flagged rows decided, {numbers.count(progress.decided)} of "
        f"{numbers.count(progress.total)} in all. {plain(advice.sentence)}",
        help="From your decisions: a Bayesian logistic curve of wrong against the flipped-side "
        "probability, carried on to the rows that nobody has decided. Source: three-parameter "
        "model of item response theory (Birnbaum 1968).",
    )
    if advice.left is not None and advice.decided < progress.total:
        if advice.certain:
            st.caption(WEAK, help=WEAK_HELP)
        else:
            _found_lately(desk.found())
    with st.expander("Progress by class and reviewer", icon=":material/monitoring:"):
        st.caption(
            f"{numbers.count(progress.wrong)} found wrong · {numbers.count(progress.disputed)} "
            "disputed between reviewers"
        )
        st.dataframe(progress.by_class, hide_index=True, key="progress_table", placeholder="–")
        table = agreement(desk.by_reviewer())
        if len(table):
            st.markdown(
                "Agreement between reviewers",
                help="Same: share of common rows with the same word. Kappa: agreement beyond "
                "chance (Cohen 1960).",
            )
            st.dataframe(table, hide_index=True, key="agreement_table")


def _found_lately(found: list[bool]) -> None:
    """How the share of wrong labels moves, where how many are left cannot be told yet."""
    share = pd.Series(found, dtype=float).rolling(LATELY, min_periods=10).mean()
    st.caption(
        f"{numbers.percent(float(share.iloc[-1]))} of the latest {min(LATELY, len(found))} "
        "decisions found a wrong label. How many are left is told once it is known to a factor "
        "of three."
    )
    curve = pd.DataFrame({"decisions": range(1, len(found) + 1), "found wrong, %": 100 * share})
    figure = px.line(curve.dropna(), x="decisions", y="found wrong, %", height=180)
    figure.update_layout(margin={"t": 8, "b": 8}).update_yaxes(rangemode="tozero")
    st.plotly_chart(figure, key="found_lately", alt="Share of decisions that found a wrong label")


def exchange_box(desk: Desk, who: str) -> None:
    """Decisions in and out of files, and those that no longer count."""
    project = desk.session.project
    changed = changed_rows(project, desk.reviews)
    if len(changed):
        with st.expander(
            f"Not counted, as their rows have changed: {numbers.many(len(changed), 'decision')}",
            icon=":material/warning:",
        ):
            shown = changed.assign(key=[to_hex(key) for key in changed["key"]])
            st.dataframe(shown, hide_index=True, key="changed_table")
    with st.expander("Decisions in files: CSV, JSON lines, Label Studio, Argilla"):
        form = st.selectbox(
            "Format", list(FORMATS), format_func=lambda f: FORMATS[f].title, key="exchange_format"
        )
        left, right = st.columns(2, gap="large")
        with left:
            _hand_out(desk, form)
        with right:
            _take_in(desk, who, form)


def _hand_out(desk: Desk, form: str) -> None:
    format_ = FORMATS[form]
    undecided = st.number_input(
        "Also include undecided rows",
        0,
        min(MOST_HANDED_OUT, len(desk.scores)),
        0,
        key="exchange_undecided",
        help="The most suspicious ones, to be labelled elsewhere.",
        disabled=not format_.scored,
    )
    safe = form == "csv" and st.checkbox(
        "Escape formulas (Excel)", key="exchange_safe",
        help="Puts an apostrophe before text that a spreadsheet would run as a formula; importing "
        "the file takes it off again.",
    )  # fmt: skip
    project = desk.session.project

    def rows() -> list[Row]:
        return decided_rows(project, desk.scores, int(undecided) if format_.scored else 0)

    name = f"{project.root.name}-decisions{format_.suffix}"
    st.download_button(
        "Export decisions",
        lambda: (write_safe_csv if safe else format_.write)(rows(), desk.classes),
        file_name=name,
        key="exchange_out",
        on_click="ignore",
    )
    if format_.settings is not None:
        settings = format_.settings
        st.download_button(
            f"Settings for {format_.title}",
            lambda: settings(rows(), desk.classes),
            file_name=name + format_.settings_suffix,
            key="exchange_settings",
            on_click="ignore",
        )


def _take_in(desk: Desk, who: str, form: str) -> None:
    given = st.file_uploader("Import decisions", key="exchange_in", max_upload_size=50)
    if given is None:
        return
    reading: dict[str, str | None] = {}
    if form == "csv":
        with st.container(horizontal=True, gap="medium"):
            reading["encoding"] = encoding_menu("exchange_encoding")
            reading["quoting"] = found_menu("Quoting", "exchange_quoting", QUOTINGS)
    project = desk.session.project
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("decisions" + FORMATS[form].suffix)
        path.write_bytes(given.getvalue())
        try:
            found = read_decisions(project, path, form, ReadOptions.of(reading))
        except TurnoverError as error:
            st.error(plain(str(error)))
            return
    st.markdown(numbers.many(len(found), "good decision"))
    for problem in found.problems[:SHOWN_PROBLEMS]:
        st.caption(plain(problem))
    bad = len(found.problems)
    if bad:
        st.warning(
            f"{numbers.many(bad, 'line')} cannot be used. Fix the file, or leave bad lines out."
        )
    if len(found) and st.button(
        f"Apply {numbers.count(len(found))}" + (", leave the others out" if bad else ""),
        key="exchange_apply",
    ):
        new = apply_decisions(project, found, who, run_id=desk.session.run.id, skip_bad=True)
        desk.refresh()
        st.success(f"{numbers.many(new, 'new decision')} saved.")
