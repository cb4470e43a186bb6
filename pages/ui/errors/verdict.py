"""The verdict on the open item: one sentence, and the labels of the rows that are most like it."""

import streamlit as st

from influence_core.workflow.explain.explain import Explanation
from influence_core.workflow.explain.noise import NoiseCheck
from influence_core.workflow.explain.verdict import verdict_of
from influence_core.workflow.session import Session
from pages.ui.draw.text import plain

_ABOUT = (
    "A label looks wrong where the model (of a training row: the side that never saw it) is at "
    "least 95 % sure of another, at least 7 of 10 nearest rows carry that one and at most one "
    "carries its own; and nobody has kept it. Nearest: cosine similarity of the encoder's "
    "features, among at most 20,000 training rows."
)


def draw_verdict(session: Session, answer: Explanation, noise: NoiseCheck | None) -> frozenset[int]:
    """Say it; the keys of the rows that look mislabelled."""
    found, near, bad = verdict_of(session, answer, noise)
    st.markdown(found.sentence(lambda name: f"**{plain(name)}**"), help=_ABOUT)
    st.caption(plain(near.sentence(session.classes)))
    return bad
