"""Cleanse: find what harms a judge, see what would go, try it beside controls, export."""

import pandas as pd
import plotly.express as px
import streamlit as st

from influence_core.cleansing.choose import (
    Candidates,
    Rule,
    Selection,
    choose,
    class_changes,
    warnings_of,
)
from influence_core.cleansing.harm import Harm
from influence_core.cleansing.rounds import Plan, Round, best_round
from influence_core.influence import DEFAULT_ESTIMATOR, ESTIMATORS
from influence_core.progress import Progress
from influence_core.store.export_edits import Edit, ExportOptions
from influence_core.workflow.cleanse import Trial, cleanse, ranking, trial
from influence_core.workflow.cleansings import Cleansing, save_cleansing
from influence_core.workflow.export import edits_of, edits_of_round, export_cleansed
from influence_core.workflow.judge import ALL, WRONG, Judge
from influence_core.workflow.session import Session
from pages.ui import content, numbers
from pages.ui.shell import in_one_sentence, need_session, plain

BY = {"rounds": "In rounds", "fraction": "One shot: a share", "fdr": "One shot: beyond noise"}
EXAMPLES = 12
STATE = "cleansing_found"


def page() -> None:
    """Question on top; below it what was found, the trial, and the export."""
    session = need_session()
    st.subheader("Cleanse")
    st.caption(
        "Training rows whose presence raises the judge's loss. Rows that the judge chose fit the "
        "judge, so believe the splits that chose nothing."
    )
    _ask(session)
    found = st.session_state.get(STATE)
    if found is None or found["run"] != session.run.id:
        st.info(
            "Choose a judge and press **Find harmful rows**. Nothing is changed before you say so."
        )
        return
    edits, selection = _state(session, found)
    if not edits:
        st.info("No row harms this judge by these rules. Try another judge, or a wider share.")
        return
    _preview(session, edits, selection, found["by"])
    _try(session, selection, found)
    _export(session, edits, found)


def _ask(session: Session) -> None:
    splits = [name for name in session.project.dataset.splits if name != "train"]
    if not splits:
        st.info("A judge needs a second split; make the project again with a valid or test split.")
        st.stop()
    preferred = session.project.settings.judge
    with st.form("ask", border=True):
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            split = st.selectbox(
                "Judge", splits, index=splits.index(preferred) if preferred in splits else 0,
                key="judge_split", width=200,
                help="The split whose loss says what is harmful.",
            )  # fmt: skip
            part = st.selectbox(
                "Part",
                [ALL, WRONG, *session.classes],
                key="judge_part",
                width=180,
                help="All of its items, the misclassified ones, or one class.",
            )
            name = st.selectbox(
                "Estimator", list(ESTIMATORS), key="judge_estimator", width=220,
                index=list(ESTIMATORS).index(DEFAULT_ESTIMATOR),
                format_func=lambda n: ESTIMATORS[n].title,
            )  # fmt: skip
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            by = st.segmented_control(
                "How", list(BY), default="rounds", required=True, format_func=BY.__getitem__,
                key="judge_by",
                help="In rounds the model is retrained after each 2 %, since influence changes "
                "once the worst rows are gone. One ranking beyond 2 % can destroy the model.",
            )  # fmt: skip
            share = st.number_input(
                "At most, % of the rows",
                0.5,
                50.0,
                10.0,
                0.5,
                key="judge_share",
                width=180,
                help="For 'beyond noise' this is the false-discovery rate.",
            )
            go = st.form_submit_button("Find harmful rows", type="primary", key="judge_go")
    if go:
        with st.spinner("Measuring …", show_time=True):
            _find(session, Judge(split, part), name, by, share / 100)


def _find(session: Session, judge: Judge, name: str, by: str, share: float) -> None:
    bar = st.progress(0.0, "Starting")

    def tell(event: Progress) -> None:
        text = f"{event.stage} {event.done} of {event.total}"
        if event.metrics:
            text += f", judge {numbers.percent(event.metrics['choosing_accuracy'], 1)}"
        bar.progress(min(event.done / max(event.total, 1), 1.0), text)

    found: dict[str, object] = {"run": session.run.id, "judge": judge, "name": name, "by": by}
    if by == "rounds":
        plan = Plan(min(0.02, share), share)
        found["rounds"] = cleanse(session, judge, plan, name, progress=tell)
    else:
        found["harm"] = ranking(session, judge, name, progress=tell)
        found["share"] = share
    bar.empty()
    st.session_state[STATE] = found


def _state(session: Session, found: dict[str, object]) -> tuple[list[Edit], Selection]:
    judge = found["judge"]
    reason = f"harms {judge.split}/{judge.part} by {found['name']}"  # type: ignore[attr-defined]
    if "rounds" in found:
        chosen = _choose_round(found["rounds"])  # type: ignore[arg-type]
        return edits_of_round(session, chosen, reason), Selection(chosen.removed)
    harm: Harm = found["harm"]  # type: ignore[assignment]
    rule = Rule(str(found["by"]), float(found["share"]))  # type: ignore[arg-type]
    selection = choose(Candidates(harm.score, harm.p_values()), [rule])
    return edits_of(session, selection, reason, harm), selection


def _choose_round(states: list[Round]) -> Round:
    """Every round is kept; the best on the watching part is taken until a person says otherwise."""
    best = best_round(states)
    frame = pd.DataFrame(
        {
            "round": [s.number for s in states],
            "rows removed": [len(s.removed) for s in states],
            "judge, choosing part": [100 * s.measured.choosing_accuracy for s in states],
            "judge, watching part": [100 * s.measured.watching_accuracy for s in states],
            "loss, watching part": [s.measured.watching_loss for s in states],
        }
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.dataframe(
            frame, hide_index=True, key="rounds_table",
            column_config={
                name: st.column_config.NumberColumn(format="%.1f %%")
                for name in ("judge, choosing part", "judge, watching part")
            } | {"loss, watching part": st.column_config.NumberColumn(format="%.4f nats")},
        )  # fmt: skip
    with right:
        number = st.select_slider(
            "Take the state after round", [s.number for s in states], value=best.number,
            key=f"round_{id(states)}",
        )  # fmt: skip
        st.caption(
            f"Round {best.number} has the least loss on the part of the judge that chose nothing."
        )
    return states[number]


def _preview(session: Session, edits: list[Edit], selection: Selection, by: str) -> None:
    labels = session.evidence.labels.cpu().numpy()
    changes = class_changes(labels, selection, session.classes)
    st.markdown(
        f"##### What would go: {numbers.count(len(edits))} of {numbers.count(len(labels))} rows"
    )
    for sentence in warnings_of(selection, changes, len(labels), one_shot=by != "rounds"):
        st.warning(plain(sentence))
    left, right = st.columns([1, 2], gap="medium")
    with left:
        st.dataframe(
            pd.DataFrame(
                {
                    "class": [c.name for c in changes],
                    "before": [c.before for c in changes],
                    "removed": [c.removed for c in changes],
                    "after": [c.after for c in changes],
                }
            ),
            hide_index=True,
            key="class_changes",
        )
    with right:
        _examples(session, edits)


def _examples(session: Session, edits: list[Edit]) -> None:
    train = session.project.dataset.train
    image = train.content_column != "text"
    worst = sorted(edits, key=lambda e: e.score if e.score is not None else 0.0)[:EXAMPLES]
    st.caption("The most harmful ones, with their mean influence on the judge ± standard error")
    with st.grid(columns="auto", min_column_width=110 if image else 260, gap="xsmall"):
        for edit in worst:
            with st.container(border=True, gap="xxsmall"):
                content.show(train, edit.key, alt=f"Training row {edit.id}, {edit.old_label}")
                score = numbers.influence(edit.score or 0.0, edit.stderr or float("nan"))
                st.caption(f"**{plain(str(edit.old_label))}** · harmful {plain(score)}")


def _try(session: Session, selection: Selection, found: dict[str, object]) -> None:
    st.markdown("##### Try it")
    st.caption(
        "Retrains without these rows, with nothing removed, and without as many random rows of the "
        "same classes: same starts, masks and batch order."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seeds = st.number_input("Retrainings of each", 2, 20, 5, key="try_seeds", width=160)
        if st.button("Try it", key="try_go"):
            splits = [s for s in session.project.dataset.splits if s != "train"]
            with st.spinner("Retraining …", show_time=True):
                done = trial(session, selection, splits, seeds=int(seeds))
            found["trial"] = (len(selection), done)
    kept = found.get("trial")
    if kept is None:
        return
    size, result = kept  # type: ignore[misc]
    if size != len(selection):
        st.info("The last trial was of another selection; press **Try it** again.")
        return
    _show_trial(result, found["judge"].split)  # type: ignore[attr-defined]


def _show_trial(result: Trial, judge: str) -> None:
    for split, sentence in result.verdicts.items():
        helps = sentence.startswith("This helps")
        show = st.success if helps else st.warning if "worse" in sentence else st.info
        chose = " (this split chose the rows)" if split == judge else ""
        show(plain(sentence) + chose)
    summary = (
        result.table.groupby(["split", "arm"], sort=False)["accuracy"].agg(["mean", "std"]) * 100
    ).reset_index()
    figure = px.scatter(
        summary, x="mean", y="split", color="arm", symbol="arm", error_x="std",
        labels={"mean": "accuracy, %, mean ± standard deviation", "split": ""}, height=260,
    )  # fmt: skip
    figure.update_traces(marker_size=11)
    st.plotly_chart(figure, key="trial_chart", alt="Accuracy of each arm on each split")
    with st.expander("Recall of each class"):
        recall = result.recall.pivot_table(
            index=["split", "class"], columns="arm", values="recall", sort=False
        )
        st.dataframe((100 * recall).round(1).reset_index(), hide_index=True, key="recalls")


def _export(session: Session, edits: list[Edit], found: dict[str, object]) -> None:
    st.markdown("##### Export")
    safe = st.checkbox(
        "Safe for spreadsheets", key="export_safe",
        help="Puts an apostrophe before text that a spreadsheet would run as a formula. This "
        "changes text, so it is off by default; reverting undoes it.",
    )  # fmt: skip
    if st.button("Export the cleansed training set", key="export_go", type="primary"):
        name = save_cleansing(
            session,
            Cleansing(found["judge"], str(found["name"]), str(found["by"]), tuple(edits)),  # type: ignore[arg-type]
        )
        suffix = "parquet" if session.project.dataset.source.kind == "parquet" else "csv"
        folder = session.project.exports_folder
        folder.mkdir(exist_ok=True)
        target = folder / f"cleansed-{name}.{suffix}"
        export_cleansed(session, edits, target, options=ExportOptions(spreadsheet_safe=safe))
        st.session_state["exported"] = target
    target = st.session_state.get("exported")
    if target is not None and target.is_file():
        manifest = target.with_name(f"{target.name}.manifest.json")
        with st.container(horizontal=True):
            st.download_button("Download data", target.read_bytes(), target.name, key="down_data")
            st.download_button(
                "Download manifest", manifest.read_bytes(), manifest.name, key="down_manifest"
            )
        st.caption(f"Kept in {plain(str(target))}; `turnover export --revert` takes it back.")


with in_one_sentence():
    page()
