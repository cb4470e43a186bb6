"""Trust: what the project's own evaluation found out about its scores."""

from math import isfinite, nan

import numpy as np
import pandas as pd
import streamlit as st

from influence_core.workflow.evaluate.agreement import items
from influence_core.workflow.evaluate.estimators import estimator_table
from influence_core.workflow.results import ESTIMATORS, EvaluationRecord, read_evaluation, to_hex
from influence_core.workflow.session import Session
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.frame.hint import hint
from pages.ui.frame.shell import in_one_sentence, need_session, or_toast, plain
from pages.ui.trust.charts import comparison, removal
from pages.ui.trust.evaluate import evaluate_controls

# title, and what stands behind its "?"
CHECKS = {
    "null": (
        "Noise test",
        "Keys that were never trained on pass through the same scoring: what they score is noise, "
        "so few of them may be called beyond it. Source: the control of influence/significance.py; "
        "Benjamini and Hochberg 1995.",
    ),
    "isolation": (
        "Isolation",
        "Gradients say which parameters a row touched in training; its flipped side may read none "
        "of them. Source: audit of turn-over dropout, Kobayashi et al. 2020, arXiv 2012.04207.",
    ),
    "smoothness": (
        "Smoothness",
        "Replay rests on a derivative of this run's training. All rows are weighted up or down "
        "a little at random, the run is trained again, and the changes of losses are correlated "
        "with what it says. Source: metasmoothness, Engstrom et al. 2025, arXiv 2503.13751.",
    ),
}
NEXT_STEP = {  # after a check that failed
    "null": "Do not rely on the words *stands out*; train a run with more members on Runs.",
    "smoothness": "Choose another method than replay for this run, or train a new run on Runs.",
    "isolation": "Scores are then not out of sample; the Runs page names the layers that leak.",
}
LDS_HELP = (
    "LDS: linear datamodeling score, Spearman's rank correlation over random halves, mean over "
    "items. The ceiling is the square root of the correlation of two sets of retrainings. Source: "
    "Park et al. 2023, TRAK, section 2.3; ceiling: Spearman's correction for attenuation."
)
SAME_HELP = (
    "Spearman's rank correlation between an item's loss and what the summed scores of the kept "
    "rows predict, mean over items. As in MAGIC, Ilyas & Engstrom 2025, arXiv 2504.16430."
)
REMOVAL_HELP = (
    "Rise of the item's loss in nats, mean over items with its 95 % interval. Source: removal "
    "curves as in Park et al. 2023, TRAK, against as many random rows."
)
QLD_HELP = (
    "QLD: query loss difference, the rise of the item's loss after retraining without the 1 % of "
    "the rows that a method calls most helpful, minus its mean rise without as many random rows; "
    "mean over items with its 95 % interval. Source: Bergson, arXiv 2606.11660."
)
TABLES = {
    "planted": (
        "Planted wrong labels",
        "Some labels were flipped on purpose: how well each column finds them, 1 is perfect. "
        "Source of each column: see Labels; aum: Pleiss et al. 2020.",
    ),
    "loo": (
        "Leave one out",
        "The head retrained without one row at a time, from the same start and order: the rise of "
        "the item's loss in nats with its standard error, beside the score. As in Koh and Liang "
        "2017, arXiv 1703.04730.",
    ),
    "estimators": (
        "Estimators in numbers",
        "Mean LDS and half its 95 % interval, by kind of item, and seconds for one item.",
    ),
    "removal": ("Removal in numbers", "Mean rise of the loss in nats and half its interval."),
    "qld": (
        "QLD in numbers",
        "Mean rise of the loss in nats beyond random rows and half its interval, by kind of item.",
    ),
    "lds": ("LDS of every item, models trained like this", "What the means are taken over."),
    "same-estimators": (
        "This model in numbers",
        "Mean LDS and half its 95 % interval, by kind of item and share of rows left out.",
    ),
    "changes": (
        "Predicted and actual changes of the loss",
        "Rise of an item's loss in nats without its most harmful rows: as replay says, and after "
        "retraining this model from its own start.",
    ),
}


def page() -> None:
    """The checks, the comparison of estimators, and every stored table."""
    session = need_session()
    st.subheader("Trust")
    found = read_evaluation(session.project.root)
    evaluated = found is not None and found.run == session.run.id
    hint("trust")
    if found is None or not evaluated:
        st.info(
            "These scores have not been evaluated yet. An evaluation retrains on random halves and "
            "from the run's own start, leaves rows out, plants wrong labels and measures false "
            "positives on unseen ids; a few minutes, here or with "
            f"`turnover evaluate {session.project.root.name}`."
        )
        evaluate_controls(session, found)
        _explained(session)
        st.stop()
    _checks(found)
    _default(session, found)
    _rests_on(session, found)
    evaluate_controls(session, found)
    _comparison(session, found)
    _tables(session)
    _explained(session)


def _default(session: Session, found: EvaluationRecord) -> None:
    """Which method answers, which was measured best, and the button that makes it the default."""
    if not found.reason:
        return
    now, best = (ESTIMATORS[n].title for n in (session.estimator(), found.estimator))
    same = session.estimator() == found.estimator
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="best"):
        st.markdown(
            f"**{plain(best)}** is {'the default' if same else 'measured best'}: "
            f"{plain(found.reason)}." + ("" if same else f" The default is *{plain(now)}*."),
            width="stretch",
        )
        if not same:
            st.button(
                "Use it", key="use_best", type="primary", on_click=or_toast,
                args=(lambda: session.project.with_settings(default_estimator=found.estimator),),
                help="Errors, Labels and Clean data then ask this method where nobody chooses.",
            )  # fmt: skip


def _checks(found: EvaluationRecord) -> None:
    """The headline checks; a whole network has isolation alone."""
    with st.grid(columns="auto", min_column_width=320, gap="medium", key="checks"):
        for name, (title, about) in CHECKS.items():
            check = found.checks.get(name)
            with st.container(gap="xsmall"):
                if check is None:
                    again = "**Evaluate again** below measures it, but not for a whole network."
                    st.info(f"**{title}**: not measured for this run. {again}")
                else:
                    show = st.success if check.passed else st.error
                    word = "passed" if check.passed else "failed"
                    step = "" if check.passed else f" {NEXT_STEP[name]}"
                    show(f"**{title}: {word}.** {plain(check.text)}{step}")
                st.caption("What this check is", help=about)


def _rests_on(session: Session, found: EvaluationRecord) -> None:
    """When it was measured, and on how many items."""
    count = items(session.run)
    on = f" on {numbers.many(count, 'item')}, misclassified and random ones" if count else ""
    st.caption(f"Measured on {numbers.day(found.created)}{on}.")


def _this_model(session: Session, found: EvaluationRecord) -> None:
    """The first question: this very model without some rows."""
    st.markdown("#### What would this very model do without some rows?", help=SAME_HELP)
    st.caption(
        "Same start, same masks, same order: the run is retrained without a random 1 % and without "
        "10 % of its rows. LDS as below; nothing random is left, so 1 can be reached. Replay is "
        "made for this question."
    )
    table = session.run.table("eval-same-estimators")
    columns = st.columns(2, gap="medium")
    for column, (share, part) in zip(columns, table.groupby("dropped"), strict=False):
        name = f"{numbers.percent(share)} of the rows left out"
        with column:
            st.plotly_chart(
                comparison(part, f"Agreement with retraining (LDS), {name}"),
                key=f"same_chart_{share}",
                config={"displayModeBar": False},
                alt=f"LDS of each estimator for this model with its interval, {name}",
            )
    if "change_slope" in found.figures:
        slope, error = found.figures["change_slope"], found.figures["change_error"]
        st.caption(
            "Change of an item's loss without its most harmful rows: what happened was "
            f"{slope:.2f} times what replay had said, ± {error:.2f} for the next item (95 %). "
            "Errors says its changes and intervals by this."
        )


def _comparison(session: Session, found: EvaluationRecord) -> None:
    """Estimators by both questions, and what leaving their rows out does."""
    if session.run.has_table("eval-same-estimators"):
        _this_model(session, found)
    if session.run.has_table("eval-estimators"):
        st.markdown("#### What would a model trained like this one do?", help=LDS_HELP)
        st.caption(
            "From any start: the model is retrained on random halves of the rows. LDS is the rank "
            "correlation between an item's loss and what the summed scores of the rows in the half "
            "predict: 1 is perfect, 0 is chance. No estimator can exceed the ceiling but by luck: "
            "two retrainings on the same half differ too. Bars are 95 % intervals over items."
        )
        figure = comparison(session.run.table("eval-estimators"))
        st.plotly_chart(
            figure,
            key="lds_chart",
            config={"displayModeBar": False},
            alt="LDS of each estimator with its interval, and the ceiling",
        )
    if session.run.has_table("eval-qld"):
        _difference(session.run.table("eval-qld"))
    if session.run.has_table("eval-removal"):
        st.markdown("#### Does leaving out the most helpful rows hurt?", help=REMOVAL_HELP)
        st.caption(
            "For each item the rows that an estimator calls most helpful are left out and the "
            "model is retrained. The more the item's loss rises above random rows, the better."
        )
        st.plotly_chart(
            removal(session.run.table("eval-removal")),
            key="removal_chart",
            config={"displayModeBar": False},
            alt="Rise of the loss by the number of rows left out, for each estimator",
        )


def _difference(table: pd.DataFrame) -> None:
    """QLD beside LDS: LDS asks about all rows, QLD about the top of the list alone."""
    st.markdown("#### How much worse does an item get without its top 1 %?", help=QLD_HELP)
    count = int(table["removed"].iloc[0])
    rows = "the one row" if count == 1 else f"the {count:,} rows"
    st.caption(
        f"QLD: a model trained like this one is retrained without {rows} that a method calls most "
        "helpful for an item. Shown is by how much more the item's loss rises than without as many "
        "random rows: 0 is no better than chance, the higher the better."
    )
    st.plotly_chart(
        comparison(table, "QLD: rise of the loss beyond random rows, nats", "qld"),
        key="qld_chart",
        config={"displayModeBar": False},
        alt="QLD of each estimator with its interval",
    )


def _tables(session: Session) -> None:
    for name, (title, about) in TABLES.items():
        if not session.run.has_table(f"eval-{name}"):
            continue
        with st.expander(title):
            st.caption(about)
            table = session.run.table(f"eval-{name}")
            for column in {"key", "target"} & set(table):
                table[column] = _ids(session, table[column])
            st.dataframe(
                numbers.rounded(table), hide_index=True, key=f"table_{name}", placeholder="–"
            )


def _ids(session: Session, keys: pd.Series) -> list[str]:
    """What the rows of these keys are called in the data; a key stays where no row has it."""
    asked = keys.to_numpy(np.uint64)
    names = [to_hex(int(key)) for key in asked]
    for split in session.project.dataset.splits.values():
        for place in np.flatnonzero(np.isin(asked, split.keys)):
            names[place] = visible(str(split.ids[split.position(int(asked[place]))]))
    return names


def _explained(session: Session) -> None:
    with st.expander("What each method does, where it comes from, and what it costs"):
        for line in estimator_table(session.project).to_dict("records"):
            cost = line.get("ms per item", nan)
            spent = f" {numbers.milliseconds(cost)} per item here." if isfinite(cost) else ""
            st.markdown(
                f"**{plain(line['title'])}** `{line['estimator']}`  \n"
                f"{plain(line['explanation'])} Source: {plain(line['source'])}.{spent}"
            )


with in_one_sentence():
    page()
