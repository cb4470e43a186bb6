"""What a cleansing would do: its rounds, what classes lose, and the rows that go."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from influence_core.workflow.cleanse.cleansings import Cleansing
from influence_core.workflow.cleanse.trials import selection_of
from influence_core.workflow.results import ESTIMATORS, Edit, class_changes, warnings_of
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers
from pages.ui.draw.text import plain
from pages.ui.frame.paging import page_of

COLOURS = {"used to choose": "#d97706", "held out": "#2563eb"}  # as `frame` calls its columns
EXAMPLES = 12  # at a time, unless set otherwise
_ACCURACY = (
    "Accuracy of the model retrained without the rows removed so far, on one part of the target "
    "split. One part was used to choose rows; trust the other, which was held out."
)


def choose_round(found: Cleansing, name: str) -> int:
    """Every round is kept; the best on the held-out part is the default."""
    frame = pd.DataFrame(
        {
            "round": [s.number for s in found.rounds],
            "rows removed": [s.removed for s in found.rounds],
            "used to choose": [100 * s.choosing_accuracy for s in found.rounds],
            "held out": [100 * s.watching_accuracy for s in found.rounds],
            "loss, held out": [s.watching_loss for s in found.rounds],
        }
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _curve(frame, found.taken)
        with st.expander("The rounds as a table", key="rounds"):
            st.dataframe(
                frame, hide_index=True, key="rounds_table",
                column_config={
                    part: st.column_config.NumberColumn(format="%.1f %%", help=_ACCURACY)
                    for part in COLOURS
                } | {"loss, held out": st.column_config.NumberColumn(
                    format="%.4f nats", help="Mean cross-entropy of the model retrained without "
                    "the rows removed so far, on the held-out part.",
                )},
            )  # fmt: skip
    with right:
        options = [s.number for s in found.rounds]
        if len(options) == 1:
            st.caption("No round was better than the whole set on the held-out part.")
            return options[0]
        number = st.select_slider(
            "Stop after round", options, value=found.taken, key=f"round_{name}"
        )
        # With patience 0 the whole target split chooses, and nothing of it is held out.
        same = all(s.choosing_accuracy == s.watching_accuracy for s in found.rounds)
        st.caption(
            f"Round {found.taken} has the least loss on "
            + (
                "the target split. All of it chose rows, so this is optimistic: try other splits."
                if same
                else "the held-out part."
            )
        )
    return int(number)


def _curve(frame: pd.DataFrame, taken: int | None) -> None:
    """Accuracy of both parts over the rows removed; a line at the round that counts."""
    figure = go.Figure()
    for (part, colour), dash in zip(COLOURS.items(), ("dash", "solid"), strict=True):
        figure.add_scatter(
            x=frame["rows removed"], y=frame[part], name=part, mode="lines+markers",
            line={"color": colour, "dash": dash}, hovertemplate="%{x:,} rows: %{y:.1f} %",
        )  # fmt: skip
    for rows in frame.loc[frame["round"] == taken, "rows removed"]:
        figure.add_vline(x=rows, line={"color": "#6b7280", "dash": "dot"})
    figure.update_layout(
        height=260,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "rows removed", "rangemode": "tozero"},
        yaxis={"title": "accuracy, %"},
        legend={"orientation": "h", "y": 1.1, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key="rounds_curve", alt="Accuracy of each round over the rows removed")


def preview(session: Session, found: Cleansing, edits: Sequence[Edit]) -> None:
    """Counts, warnings, per class, and the rows, worst first."""
    labels = session.evidence.labels.cpu().numpy()
    selection = selection_of(session, edits)
    changes = class_changes(labels, selection, session.classes, _limit())
    st.markdown(
        f"#### What would change: {numbers.count(len(edits))} of {numbers.count(len(labels))} rows"
    )
    one_shot = not found.rounds and bool(found.computed)
    for sentence in warnings_of(selection, changes, len(labels), one_shot=one_shot):
        st.warning(plain(sentence))
    table = {
        "class": [c.name for c in changes],
        "before": [c.before for c in changes],
        "removed": [c.removed for c in changes],
        "relabelled away": [c.relabelled_from for c in changes],
        "relabelled to": [c.relabelled_to for c in changes],
        "after": [c.after for c in changes],
    }
    with st.expander("Class by class", key="by_class"):
        st.dataframe(pd.DataFrame(table), hide_index=True, key="class_changes")
        st.number_input(
            "Warn when a class loses more than, %", 1, 100, 20, key="class_limit", width=250
        )
    _examples(session, found, edits)


def sources(names: str) -> str:
    """Where the estimator comes from; a name that this version does not know says so."""
    entry = ESTIMATORS.get(names)
    return entry.source if entry is not None else names


def _limit() -> float:
    return float(st.session_state.get("class_limit", 20)) / 100


def _examples(session: Session, found: Cleansing, edits: Sequence[Edit]) -> None:
    train = session.project.dataset.train
    image = train.content_column != "text"
    worst = sorted(edits, key=lambda e: e.score if e.score is not None else 0.0)
    st.caption(
        "The most harmful first, with their mean influence on the target split ± standard error",
        help="Harm: mean influence of the row on the loss of the target split, − raised it. "
        f"Source: {plain(sources(found.estimator))}.",
    )
    part = page_of(len(worst), EXAMPLES, "examples_page")
    with st.grid(columns="auto", min_column_width=110 if image else 260, gap="xsmall"):
        for edit in worst[part]:
            with st.container(border=True, gap="xxsmall"):
                content.show(train, edit.key, alt=f"Training row {edit.id}, {edit.old_label}")
                st.markdown(f"**{plain(str(edit.old_label))}** · {_why(edit)}")


def _why(edit: Edit) -> str:
    if edit.score is None:
        what = "excluded" if edit.new_label is None else f"relabelled to {plain(edit.new_label)}"
        return f"{what} by {plain(edit.who)}"
    return f"harmful {plain(numbers.influence(edit.score, edit.stderr or float('nan')))}"
