"""Try a cleansing: retrained beside two controls, one round or a sweep over shares, as jobs."""

import pandas as pd
import plotly.express as px
import streamlit as st

from influence_core.workflow.cleanse.cleansings import Cleansing
from influence_core.workflow.cleanse.trial import ARMS, Trial
from influence_core.workflow.cleanse.trials import FRACTIONS, kept_sweep, kept_trial
from influence_core.workflow.expected import trial_text
from influence_core.workflow.other_splits import lacks_target_split
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.frame.jobs import panel as jobs_ui

VERB = "trial"
COLOURS = dict(zip(ARMS.values(), ("#6b7280", "#2563eb", "#d97706"), strict=True))


def trial_box(session: Session, name: str, found: Cleansing, number: int | None) -> None:
    """The two buttons, the job that runs, and what was measured."""
    project = session.project
    st.markdown("#### Try it")
    st.caption(
        "Retrains without these rows, with all rows, and without as many random rows of the "
        "same classes: same starts, masks and batch order.",
        help="A verdict needs a 95 % interval of the paired difference in accuracy that excludes "
        "0, against both controls. Source: seeds, items and draws as crossed samples, Owen 2007.",
    )
    if lacking := lacks_target_split(project, "A trial"):
        st.info(plain(lacking))
        return
    job = jobs_ui.latest(project, VERB)
    if job is not None and job.active:
        jobs_ui.watch(project, job.id)
        st.fragment(_sweep, run_every=jobs_ui.SECONDS)(session, name, found)
        return
    if job is not None and job.state != "done":
        jobs_ui.watch(project, job.id)
    _buttons(session, name, found, number)
    result = kept_trial(project, name, number)
    if result is not None:
        _show_trial(result, found.target.split)
    _sweep(session, name, found)


def _buttons(session: Session, name: str, found: Cleansing, number: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Retrainings of each", 2, 20, 10, key="try_seeds", width=160)
        arguments = [VERB, str(session.project.root.resolve()), "--cleansing", name]
        here = arguments if number is None else [*arguments, "--round", str(number)]
        st.button("Try it", key="try_go", on_click=_begin, args=(session, here, "Try a cleansing"))
        rows = round(min(FRACTIONS) * len(session.evidence))
        st.button(
            "Sweep 1 to 20 %",
            key="sweep_go",
            on_click=_begin,
            args=(session, [*arguments, "--sweep"], "Sweep over shares"),
            disabled=not 0 < rows <= len(found.computed),
            help="Tries the first 1, 2, 5, 10 and 20 % of the list, as far as it goes.",
        )
    shares = sum(0 < round(f * len(session.evidence)) <= len(found.computed) for f in FRACTIONS)
    if said := trial_text(session, int(st.session_state["try_seeds"]), stored=True):
        more = f" A sweep takes {shares} times that." if shares > 1 else ""
        st.caption(plain(said + more))


def _begin(session: Session, arguments: list[str], title: str) -> None:
    seeds = str(int(st.session_state["try_seeds"]))
    jobs_ui.begin(session.project, [*arguments, "--seeds", seeds], title=title)


def _show_trial(result: Trial, target: str) -> None:
    for split, sentence in result.verdicts.items():
        helps = sentence.startswith("This helps")
        show = st.success if helps else st.warning if "worse" in sentence else st.info
        chose = " (this split chose the rows)" if split == target else ""
        show(plain(sentence) + chose)
    table = _named(result.table)
    summary = (
        table.groupby(["split", "arm"], sort=False)["accuracy"].agg(["mean", "std"]) * 100
    ).reset_index()
    figure = px.scatter(
        summary, x="mean", y="split", color="arm", symbol="arm", error_x="std",
        color_discrete_map=COLOURS,
        labels={"mean": "accuracy, %, mean ± standard deviation", "split": ""}, height=260,
    )  # fmt: skip
    figure.update_traces(marker_size=11)
    st.plotly_chart(figure, key="trial_chart", alt="Accuracy of each arm on each split")
    _slices(result, target)
    with st.expander("Differences, loss, and recall of each class"):
        _differences(result)
        loss = table.groupby(["split", "arm"], sort=False)["loss"].agg(["mean", "std"])
        st.dataframe(loss.round(4).reset_index(), hide_index=True, key="losses", placeholder="–")
        recall = _named(result.recall).pivot_table(
            index=["split", "class"], columns="arm", values="recall", sort=False
        )
        st.dataframe(
            (100 * recall).round(1).reset_index(), hide_index=True, key="recalls", placeholder="–"
        )


def _slices(result: Trial, target: str) -> None:
    """What became of the slices that were saved when it was tried."""
    if not result.slices:
        return
    st.markdown(
        "**Saved slices**",
        help="Mean accuracy of their items over the retrainings. The interval is of each slice by "
        "itself: of twenty, one leaves 0 out by chance. A slice that is saved later is measured "
        "when you try again.",
    )
    lines = [
        {
            "slice": visible(one.name),
            "split": visible(one.split) + (" (chose the rows)" if one.split == target else ""),
            "items": one.items,
            "all rows": numbers.percent(one.before, 1),
            "cleaned": numbers.percent(one.after, 1),
            "points": round(100 * one.change.mean, 1),
            "95 % low": round(100 * one.change.low, 1),
            "95 % high": round(100 * one.change.high, 1),
        }
        for one in result.slices
    ]
    st.dataframe(pd.DataFrame(lines), hide_index=True, key="trial_slices", placeholder="–")


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """The arms as they are called on screen; one that this version does not know keeps its name."""
    return table.assign(arm=[ARMS.get(arm, arm) for arm in table["arm"]])


def _differences(result: Trial) -> None:
    lines = [
        (split, against, 100 * one.mean, 100 * one.low, 100 * one.high, one.pairs)
        for split, pair in result.differences.items()
        for against, one in zip(("all rows", "random removal"), pair, strict=True)
    ]
    columns = ["split", "cleaned against", "points", "95 % low", "95 % high", "retrainings"]
    table = pd.DataFrame(lines, columns=columns).round(2)
    st.dataframe(table, hide_index=True, key="differences")


def _sweep(session: Session, name: str, found: Cleansing) -> None:
    table = kept_sweep(session.project, name)
    if table is None:
        return
    table = _named(table).assign(
        share=100 * table["share"], accuracy=100 * table["accuracy"], stdev=100 * table["stdev"]
    )
    figure = px.line(
        table, x="share", y="accuracy", error_y="stdev", color="arm", symbol="arm",
        facet_col="split", markers=True, color_discrete_map=COLOURS, height=320,
        labels={"share": "rows removed, %", "accuracy": "accuracy, %"},
    )  # fmt: skip
    figure.for_each_annotation(lambda a: a.update(text=a.text.split("=")[-1]))
    figure.update_yaxes(matches=None, showticklabels=True)
    st.plotly_chart(figure, key="sweep_chart", alt="Accuracy over the share of rows removed")
    st.caption(
        f"Mean ± standard deviation over retrainings. Rows were chosen by "
        f"**{plain(found.target.split)}**, whose curve is therefore optimistic."
    )
