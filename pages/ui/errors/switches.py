"""What is asked about an item: by which method, why or why not, and among which rows."""

import streamlit as st

from influence_core.workflow.explain.explain import ExplainOptions, Item
from influence_core.workflow.results import ESTIMATORS
from influence_core.workflow.session import Session
from pages.ui.frame.shell import plain

TOWARD = ("predicted", "true")
AMONG = ("all", "predicted", "true")


def switches(session: Session, item: Item) -> ExplainOptions:
    """Estimator, toward which label, among which rows: all of them in the address bar."""
    missing = session.unavailable()
    names = [name for name in ESTIMATORS if name not in missing]
    default = session.estimator()
    _follow_default(default, names)
    with st.container(horizontal=True, gap="medium"):
        name = st.selectbox(
            "Method",
            names,
            index=names.index(default),
            format_func=lambda n: ESTIMATORS[n].title,
            key="estimator",
            bind="query-params",
            width=240,
            help="How influence is computed; the sentence below says how.",
        )
        toward = st.segmented_control(
            "Explain",
            TOWARD if item.true is not None else TOWARD[:1],
            default="predicted",
            required=True,
            format_func=lambda which: _why(session, item, which),
            key="toward",
            bind="query-params",
            help="Whether the rows are asked that pushed the model to its answer, or those that "
            "pulled it to the item's own label.",
        )
        among = st.segmented_control(
            "Show rows labelled",
            AMONG if item.true is not None else AMONG[:2],
            default="all",
            required=True,
            format_func=lambda which: _class(session, item, which),
            key="among",
            bind="query-params",
            help="Which training rows are ranked.",
        )
    for absent, why in missing.items():
        st.caption(f"Not for this run: {ESTIMATORS[absent].title}. {why}")
    return ExplainOptions(estimator=name, toward=toward, among=among)


def _follow_default(default: str, names: list[str]) -> None:
    """Let the menu follow a default that has changed since, unless the viewer chose another."""
    state = st.session_state
    before = state.get("estimator_default", default)
    if state.get("estimator") not in (None, *names) or state.get("estimator") == before != default:
        state["estimator"] = default
    state["estimator_default"] = default


def _why(session: Session, item: Item, which: str) -> str:
    """The question as the switch asks it."""
    if which == "true" and item.true == item.predicted:
        return "its label"
    return f"{'why' if which == 'predicted' else 'why not'} {_class(session, item, which)}"


def _class(session: Session, item: Item, which: str) -> str:
    if which == "all" or (which == "true" and item.true is None):
        return "any"
    return plain(session.classes[int(item.predicted if which == "predicted" else item.true or 0)])
