"""Runs: what was trained and how well, curves, isolation, predictions, two runs side by side."""

from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from influence_core.workflow.evaluate.agreement import of_default
from influence_core.workflow.results import Project, Run, RunRecord, Split, to_hex
from influence_core.workflow.train.curves import learning_curves
from influence_core.workflow.train.runs.compare import RunComparison, compare_runs, splits_of
from influence_core.workflow.train.runs.names import run_names
from pages.ui.draw import content, numbers
from pages.ui.draw.content import visible
from pages.ui.frame.jobs import panel as jobs_ui
from pages.ui.frame.paging import page_of
from pages.ui.frame.shell import in_one_sentence, open_project, plain
from pages.ui.runs.encoders import encoders
from pages.ui.runs.slices import CHANGES, changed_slices, run_slices
from pages.ui.train import train_controls

SHOWN = 24  # changed items that are listed at a time, unless set otherwise
_ACCURACY = (
    "Share of the labelled items of this split whose most probable class is their label. Source: "
    "softmax of the full network, mean of its members."
)
COLUMNS = {
    "test": _ACCURACY,
    "valid": _ACCURACY,
    "epochs": "Passes over the training rows; a network from a script of your own tells them by "
    "KeyCallback, or publish(…, epochs=).",
    "isolation": "Share of the parameters read by a row's flipped side that the row never touched "
    "in training; 100 % means scores out of sample. Source: audit after Kobayashi et al. 2020.",
    "agreement": "How far the project's default method agrees with retraining of this run: mean "
    "rank correlation (LDS) ± half its 95 % interval. Source: the evaluation on Trust.",
}
# column of the curves: (name, colour that reads on light and dark, dash)
LINES = {
    "learned": ("learned side", "#d97706", "solid"),
    "flipped": ("flipped side, which never saw the row", "#2563eb", "longdash"),
    "test": ("test items", "#6b7280", "dash"),
}


def page() -> None:
    """The table, the open run, two runs compared, and a new training."""
    project = open_project()
    st.subheader("Runs")
    records = [r for r in project.runs() if r.fingerprint == project.fingerprint]
    many = "run" if len(records) == 1 else "runs"
    st.caption(f"{plain(project.name)} · {numbers.count(len(records))} {many} of this data")
    if records:
        st.dataframe(
            _table(project, records), hide_index=True, key="runs_table", placeholder="–",
            column_config={
                name: st.column_config.Column(name, help=about) for name, about in COLUMNS.items()
            },
        )  # fmt: skip
        _open_run(project, records)
        run_slices(project, records)
        _compare(project, records)
        encoders(project)
    else:
        st.info("Nothing has been trained yet. The form below trains the first run.")
    _predict(project)
    with st.expander("Train a run", icon=":material/model_training:", expanded=not records):
        train_controls(project)


def _table(project: Project, records: list[RunRecord]) -> pd.DataFrame:
    names = run_names(records)
    table = pd.DataFrame(
        [
            {
                "run": names[record.id],
                "kind": record.called,
                "encoder": visible(record.trained),
                "trained (UTC)": record.created[:16].replace("T", " "),
                "test": _accuracy(record, "test_accuracy"),
                "valid": _accuracy(record, "valid_accuracy"),
                "epochs": _epochs(record),
                "isolation": visible(_isolation(record)),
                "agreement": of_default(project, project.run(record.id)),
                "note": visible(record.note),
                "id": record.id,
            }
            for record in records
        ]
    )
    return table if table["note"].any() else table.drop(columns="note")


def _accuracy(record: RunRecord, name: str) -> str:
    value = record.metrics.get(name)
    return "" if value is None else numbers.percent(value, 1)


def _epochs(record: RunRecord) -> str:
    found = record.metrics.get("epochs", 0.0)
    return f"{found:g}" if found else "not told"


def _isolation(record: RunRecord) -> str:
    """The share alone; what leaks stands under *Isolation layer by layer*."""
    found = record.isolation
    return "not audited" if found is None else found.headline.partition(" isolated")[0]


def _open_run(project: Project, records: list[RunRecord]) -> None:
    """Curves and isolation of the run that is chosen in the sidebar."""
    chosen = st.session_state.get("run")
    if chosen is None:
        return
    run, names = project.run(chosen), run_names(records)
    if run.record.finding:
        st.warning(plain(run.record.finding))
    # Beside each other where there is room, else one below the other.
    with st.grid(columns="auto", min_column_width=380, gap="medium"):
        with st.container():
            st.markdown(
                f"**Learning curves** of {plain(names.get(run.id, run.id))}",
                help="Mean cross-entropy in nats. While a network memorises, the loss of the "
                "learned side falls away from that of the flipped side, which never saw the row "
                "(turn-over dropout, arXiv 2012.04207).",
            )
            _curves(run)
        with st.container():
            _audit(run)


def _curves(run: Run) -> None:
    table = learning_curves(run)
    if len(table) < 2:
        st.info("This run kept no learning curves.")
        return
    figure = go.Figure()
    for column, (name, colour, dash) in LINES.items():
        if table[column].notna().any():
            figure.add_scatter(
                x=table["epoch"], y=table[column], name=name, mode="lines",
                line={"color": colour, "dash": dash},
            )  # fmt: skip
    figure.update_layout(
        height=280,
        margin={"l": 0, "r": 0, "t": 44, "b": 0},  # room for the legend, however wide it is
        xaxis={"title": "epoch", "tickformat": "d"},
        yaxis={"title": "loss, nats", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key="run_curves", alt="Losses of the learned and flipped side by epoch")


def _audit(run: Run) -> None:
    found = run.record.isolation
    if found is None:
        st.info(
            "This run was not audited when it was trained. `turnover audit "
            f"{run.folder.parents[1].name}` measures it."
        )
        return
    st.markdown(
        plain(found.headline),
        help="The share of the parameters read by a row's flipped side that the row never touched "
        "in training; 100 % means scores out of sample.",
    )
    if run.has_table("audit"):
        with st.expander("Isolation layer by layer"):
            st.dataframe(numbers.rounded(run.table("audit")), hide_index=True, key="audit_table")


def _predict(project: Project) -> None:
    """Rows that came without labels, predicted by the open run as a job; then the file."""
    rows, chosen = project.header.source.unlabelled, st.session_state.get("run")
    if not rows or chosen is None:
        return
    st.markdown("**Rows without labels**")
    named = ", ".join(f"{numbers.count(count)} of {plain(name)}" for name, count in rows.items())
    st.caption(f"{named}: kept for prediction, and used for nothing else.")
    path = project.exports_folder / f"predictions-{chosen}.csv"
    job = jobs_ui.latest(project, "predict")
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Predict them", key="predict_go", disabled=job is not None and job.active,
            on_click=_begin_prediction, args=(project, chosen, path),
            help="Class and probability of each row by the run that is open, as a CSV.",
        )  # fmt: skip
        if path.is_file():
            st.download_button(
                "Download predictions", path.read_bytes, file_name=path.name,
                mime="text/csv", key="predict_down", on_click="ignore",
            )  # fmt: skip
    if job is not None and (job.active or job.state == "failed"):
        jobs_ui.watch(project, job.id)


def _begin_prediction(project: Project, run: str, path: Path) -> None:
    arguments = ["predict", str(project.root), "--run", run, "--out", str(path), "--overwrite"]
    jobs_ui.begin(project, arguments, title="Predict rows without labels")


def _compare(project: Project, records: list[RunRecord]) -> None:
    if len(records) < 2:
        st.caption("With a second run, both can be compared here item by item.")
        return
    st.markdown("**Compare two runs**")
    ids, shown = [record.id for record in records], run_names(records).__getitem__
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        first, second = (
            st.selectbox(
                name, ids, index=index, key=f"compare_{which}", width=260, format_func=shown
            )
            for name, index, which in (("From", 1, "first"), ("To", 0, "second"))
        )
        names = splits_of(project, first, second)
        names.sort(key=lambda name: (name != "test", name))
        split = st.selectbox("Items of split", names, key="compare_split", width=200)
    if split is None:
        st.info("The two runs keep predictions of no common split.")
        return
    found = compare_runs(project, first, second, split)
    gain = (found.second_right - found.first_right) / found.items
    cells = st.columns(3)
    of = "Labelled items of this split that only one of the two runs predicts rightly."
    cells[0].metric(CHANGES["fixed"], numbers.count(found.fixed), help=of)
    cells[1].metric(CHANGES["broken"], numbers.count(found.broken), help=of)
    cells[2].metric(
        "Accuracy",
        numbers.percent(found.second_right / found.items, 1),
        numbers.points(gain).replace("−", "-"),  # by which Streamlit knows a loss from a gain
        help=f"{_ACCURACY} Below: the second run less the first, in percentage points.",
    )
    st.info(plain(found.sentence))
    changed_slices(project, first, second)
    _changed(project, found, first, second)


def _changed(project: Project, found: RunComparison, first: str, second: str) -> None:
    """The changed items; a press opens the item on Errors with the run that has it wrong."""
    if found.changed.empty:
        return
    which = st.segmented_control(
        "Items", list(CHANGES), default="fixed", required=True, key="compare_change",
        format_func=CHANGES.__getitem__,
        help="p(true): probability of the item's own label by the first run → by the second. "
        "Source: softmax of the full network, mean of its members.",
    )  # fmt: skip
    table = found.changed[found.changed["change"] == which]
    if table.empty:
        st.info("No item changed this way.")
        return
    wrong_run = first if which == "fixed" else second
    data = project.dataset.split(found.split)
    image = data.content_column != "text"
    part = page_of(len(table), SHOWN, f"compare_page_{which}")
    with st.grid(columns="auto", min_column_width=170 if image else 320, gap="xsmall"):
        for row in table.iloc[part].itertuples():
            with st.container(border=True, gap="xxsmall"):
                _changed_item(found.split, data, row, wrong_run)


def _changed_item(name: str, data: Split, row: Any, wrong_run: str) -> None:
    content.show(data, row.key, alt=f"Item labelled {row.label}")
    st.markdown(
        f"**{plain(row.label)}**: {plain(row.first)} → {plain(row.second)}  \n"
        f"p(true) {numbers.percent(row.p_first)} → {numbers.percent(row.p_second)}"
    )
    if st.button(
        "Explain", key=f"open_{to_hex(row.key)}", icon=":material/search:", type="tertiary",
        help=f"id {plain(row.id)}: opened with the run that has it wrong.",
    ):  # fmt: skip
        # The menu in the sidebar follows; see shell.
        st.session_state["open_run"] = wrong_run
        st.switch_page("pages/errors.py", query_params={"split": name, "item": to_hex(row.key)})


with in_one_sentence():
    page()
