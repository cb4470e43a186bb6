"""What is asked about an item: why or why not, among which rows, and by which method.

The default method stands alone; the others are under *Advanced*, each with how well it agrees with
retraining on this project.
"""

import streamlit as st

from influence_core.workflow.evaluate.agreement import agreements, told
from influence_core.workflow.explain.explain import ExplainOptions
from influence_core.workflow.explain.items import Item
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
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
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
        chosen = st.session_state.get("estimator") or default
        other = "" if chosen == default else f": {ESTIMATORS[chosen].title}"
        with st.popover(f"Advanced{other}", icon=":material/tune:"):
            name = _method(session, [default, *(n for n in names if n != default)])
            for absent, why in missing.items():
                st.caption(f"Not for this run: {ESTIMATORS[absent].title}. {why}")
    return ExplainOptions(estimator=name, toward=toward, among=among)


def _method(session: Session, names: list[str]) -> str:
    """The menu of methods, the default first."""
    found = agreements(session.run)
    captions = [told(name, found) for name in names]
    return str(
        st.radio(
            "Method", names, key="estimator", bind="query-params", captions=captions,
            format_func=lambda name: ESTIMATORS[name].title,
            help="How influence is computed; the first is this project's default. Agreement: mean "
            "rank correlation between what the method predicts and what retraining without some "
            "rows did (LDS, Park et al. 2023), 1 is perfect; with its 95 % interval.",
        )
    )  # fmt: skip


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
