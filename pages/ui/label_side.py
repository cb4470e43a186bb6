"""Beside the triage desk: how far reviewers are, duplicates that disagree, import and export."""

import streamlit as st

from influence_core.labels.agreement import agreement
from influence_core.workflow.label_desk import Choice, Desk
from influence_core.workflow.label_scores import duplicate_pairs
from pages.ui import content, numbers
from pages.ui.shell import plain

PAIRS_SHOWN = 12


@st.cache_data(max_entries=8, show_spinner=False)
def _sentences(root: str, run: str, _desk: Desk) -> dict[int, str]:
    pairs = duplicate_pairs(_desk.session)
    ids = _desk.session.project.dataset.train.arrow().column("id")
    out: dict[int, str] = {}
    for pair in pairs.itertuples():
        for here, there, label in (
            (pair.position_a, pair.position_b, pair.label_b),
            (pair.position_b, pair.position_a, pair.label_a),
        ):
            how = "The same content" if pair.kind == "exact" else "Nearly the same content"
            name = content.visible(f"{ids[there].as_py()}")
            label_name = content.visible(_desk.classes[label])
            out.setdefault(here, f"{how} stands in row {name}, labelled {label_name}.")
    return out


def twin_sentences(desk: Desk) -> dict[int, str]:
    """Per position, a sentence about a (near-)duplicate with another label."""
    return _sentences(str(desk.session.project.root), desk.session.run.id, desk)


def progress_box(desk: Desk) -> None:
    """Decided of flagged and of all, per class, between reviewers; and whether to go on."""
    progress, advice = desk.progress(), desk.advice()
    with st.expander(
        f"Progress: {numbers.count(progress.flagged_decided)} of "
        f"{numbers.count(progress.flagged)} flagged rows decided, "
        f"{numbers.count(progress.decided)} of {numbers.count(progress.total)} in all",
        icon=":material/monitoring:",
    ):
        st.markdown(
            plain(advice.sentence),
            help="From your decisions: a Bayesian logistic curve of wrong against the flipped-side "
            "probability, carried on to the rows that nobody has decided (labels/advice.py).",
        )
        st.caption(
            f"{numbers.count(progress.wrong)} found wrong · {numbers.count(progress.disputed)} "
            "disputed between reviewers"
        )
        st.dataframe(progress.by_class, hide_index=True, key="progress_table")
        table = agreement(desk.by_reviewer())
        if len(table):
            st.markdown(
                "Agreement between reviewers",
                help="Same: share of common rows with the same word. Kappa: agreement beyond "
                "chance (Cohen 1960).",
            )
            st.dataframe(table, hide_index=True, key="agreement_table")


def twins_box(desk: Desk, who: str) -> None:
    """Pairs with the same or nearly the same content and different labels."""
    pairs = duplicate_pairs(desk.session)
    if pairs.empty:
        st.info("No two rows with nearly the same content carry different labels.")
        return
    st.caption(
        f"{numbers.count(len(pairs))} pairs with (nearly) the same content and different labels: "
        "one label of each is wrong, or the content does not decide it."
    )
    pages = -(-len(pairs) // PAIRS_SHOWN)
    number = st.pagination(pages, key="twins_page") if pages > 1 else 1
    for pair in pairs.iloc[(number - 1) * PAIRS_SHOWN : number * PAIRS_SHOWN].itertuples():
        with st.container(border=True):
            kind = "Exact" if pair.kind == "exact" else "Near"
            st.caption(f"{kind} duplicate, similarity {pair.similarity:.3f}")
            left, right = st.columns(2)
            sides = (
                (left, pair.position_a, pair.label_a, pair.label_b),
                (right, pair.position_b, pair.label_b, pair.label_a),
            )
            for column, position, label, other in sides:
                with column:
                    _twin(desk, who, int(position), int(label), int(other))


def _twin(desk: Desk, who: str, position: int, label: int, other: int) -> None:
    train = desk.session.project.dataset.train
    key = int(train.keys[position])
    content.show(train, key, alt=f"Training row labelled {desk.classes[label]}")
    word = desk.effective(position)
    said = "" if word is None else f" · decided: {word.outcome}"
    st.caption(f"labelled **{plain(desk.classes[label])}**{said}")
    with st.container(horizontal=True, gap="small"):
        choices = {
            f"Relabel to {plain(desk.classes[other])}": ("relabel", desk.classes[other]),
            "Keep": ("keep", None),
            "Exclude": ("exclude", None),
        }
        for name, (verdict, new_label) in choices.items():
            st.button(
                name,
                key=f"twin_{verdict}_{key:016x}_{other}",
                on_click=desk.decide,
                args=(who, [Choice(position, verdict, new_label)]),
            )


def exchange_box(desk: Desk, who: str) -> None:
    """Decisions in and out of files."""
