"""Trust: what the project's own evaluation found out about its scores."""

import plotly.graph_objects as go
import streamlit as st

from influence_core.influence import ESTIMATORS
from influence_core.store.evaluations import read_evaluation
from influence_core.workflow.session import Session
from pages.ui.evaluate import evaluate_controls
from pages.ui.shell import in_one_sentence, need_session, plain


def page() -> None:
    """The lamps, the comparison of estimators, and every stored table."""
    session = need_session()
    st.subheader("Trust")
    found = read_evaluation(session.project.root)
    if found is None or found.run != session.run.id:
        st.info(
            "These scores have not been evaluated yet. An evaluation retrains on random halves, "
            "leaves rows out, plants wrong labels and sends unknown keys through the noise test; a "
            f"few minutes, here or with `turnover evaluate {session.project.root.name}`."
        )
        evaluate_controls(session, found)
        _explained()
        st.stop()
    columns = st.columns(max(len(found.lamps), 1), gap="medium")
    for column, (name, lamp) in zip(columns, found.lamps.items(), strict=False):
        with column:
            (st.success if lamp["green"] else st.error)(plain(f"{name}: {lamp['text']}"))
    if found.reason:
        st.info(plain(found.reason))
    evaluate_controls(session, found)
    _comparison(session)
    _tables(session)
    _explained()


def _comparison(session: Session) -> None:
    """Estimators beside the noise ceiling, which none can exceed."""
    if not session.run.has_table("eval-estimators"):
        return
    table = session.run.table("eval-estimators")
    figure = go.Figure(
        [
            go.Scatter(
                x=table[f"lds_{kind}"],
                y=table["estimator"],
                name=f"{kind} targets",
                mode="markers",
                error_x={"type": "data", "array": table[f"half_{kind}"]},
                marker={"size": 10, "symbol": symbol},
            )
            for kind, symbol in (("misclassified", "circle"), ("random", "diamond"))
        ]
    )
    figure.update_layout(
        height=140 + 32 * len(table),
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "LDS: rank correlation with retraining on random halves, 95 % interval"},
        yaxis={"autorange": "reversed"},
    )
    st.plotly_chart(figure, key="lds_chart", alt="LDS of each estimator with its interval")


def _tables(session: Session) -> None:
    names = sorted(p.stem for p in session.run.folder.glob("eval-*.parquet"))
    for name in names:
        with st.expander(plain(name.removeprefix("eval-"))):
            st.dataframe(session.run.table(name), hide_index=True, key=f"table_{name}")


def _explained() -> None:
    with st.expander("What each estimator does, and where it comes from"):
        for entry in ESTIMATORS.values():
            st.markdown(
                f"**{plain(entry.title)}** `{entry.name}`  \n"
                f"{plain(entry.explanation.replace(chr(10), ' '))} Source: {plain(entry.source)}."
            )


with in_one_sentence():
    page()
