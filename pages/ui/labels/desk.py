"""The triage desk as a component: its rows, and what the browser says has been decided.

The browser keeps a few rows ahead and sends decisions as `pending`, each under an id of its own,
until it is told that they are in the database; writing one twice changes nothing. So no press is
lost between two runs of the page, and none falls on another row than the one on screen.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from influence_core.errors import DataError, TurnoverError
from influence_core.workflow.results import Split, to_hex
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.desk import Desk
from influence_core.workflow.review.evidence import LabelEvidence
from influence_core.workflow.review.nearest import Labelled
from pages.ui.draw import content, numbers
from pages.ui.labels.messages import Message, Pending, read_message
from pages.ui.labels.proposed import told
from pages.ui.labels.why import doubt_card

HERE = Path(__file__).parent
STYLE = (HERE / "desk.css").read_text("utf-8")
SCRIPT = "\n".join(
    (HERE / f"{name}.js").read_text("utf-8")
    for name in ("desk", "desk_choice", "desk_compare", "desk_proposed", "desk_why")
)
# The suggestion's button is emphasised only where this reviewer takes most suggestions.
FEW, TRUSTED = 10, 0.7
FIRST, NEXT = 8, 24  # rows sent at first, and when the browser asks for more
_TOLD = "desk_told"  # the last message, and where its undo leads, until they are on screen
_STATE = "desk_state"  # what the last message asked to be stored, and why some of it is not
_SHOWN = "desks_shown"  # by place; decisions on their way find the desk where they were made
_HANDLED = "desk_handled"  # ids of decisions that are in the database, of this browser session

_ELSEWHERE = (
    "This was decided on a project or run that is not open any more; discard it, open the project "
    "again and decide there."
)

_mount = st.components.v2.component(
    "turnover_desk",
    html='<div class="desk"></div>',
    css=STYLE,
    js=SCRIPT,
)


class Queue(NamedTuple):
    """Rows in the order in which they are shown; `id` changes when they do."""

    id: str
    positions: np.ndarray
    flagged: bool = False


class Shown(NamedTuple):
    """A desk that this browser session has on screen, or had."""

    desk: Desk
    queue: Queue
    reviewer: str

    @property
    def place(self) -> str:
        """Which run of which project: what is decided there must never fall on another."""
        session = self.desk.session
        return f"{session.project.root.name}/{session.run.id}"


def desk_component(desk: Desk, queue: Queue, reviewer: str, twins: Mapping[int, str]) -> None:
    """Draw the desk; what is decided on it is written before the page is run again.

    Args:
        desk: of the open run.
        queue: what to leaf through.
        reviewer: who decides.
        twins: per position, a sentence about a duplicate with another label.
    """
    state = st.session_state
    # A run may be overtaken by another, such as one for a job that has ended, so what became of
    # decisions is said in every run, until the browser asks again.
    message, moved = state.get(_TOLD, (None, None))
    pending, failed = state.get(_STATE, ((), {}))
    if message is not None and message.queue != queue.id:
        message, moved = None, None
    shown = Shown(desk, queue, reviewer)
    accepted, asked = desk.accepted(reviewer)
    state.setdefault(_SHOWN, {})[shown.place] = shown
    handled = state.get(_HANDLED, {})
    _mount(
        key="desk",
        data={
            "place": shown.place,
            "queue": queue.id,
            "total": len(queue.positions),
            "what": " flagged" if queue.flagged else "",
            "classes": list(desk.classes),
            "shown": [content.visible(name) for name in desk.classes],
            "cursor": 0 if message is None else min(message.cursor, len(queue.positions)),
            "answer": 0 if message is None else message.asked,
            "cards": window(desk, queue, reviewer, message, twins),
            "acked": [one.id for one in pending if one.id in handled],
            "failed": failed,
            "moved": moved,
            "why": None if message is None else doubt_card(desk.session, message.why, _content),
            "undoable": len(desk.undoable(reviewer)),
            "record": _record(accepted, asked),
            "trusted": asked >= FEW and accepted >= TRUSTED * asked,
            "empty": "That was the last flagged row. Choose All rows to go on."
            if queue.flagged
            else "That was the last row of this queue. Change the filter to go on.",
        },
        on_client_change=_told,
    )
    state.pop(_TOLD, None)


def _record(accepted: int, asked: int) -> str:
    """How often the reviewer agreed with a suggestion lately."""
    if asked < 2:
        return ""
    return f"You accepted {accepted} of the last {asked} suggestions."


def _told() -> None:
    """Write what the browser sent.

    The message is an event and this its callback: a click on another page or project may overtake
    the run of this page, and Streamlit then still delivers events, before anything else is run,
    where a component's state would be forgotten.
    """
    message = read_message((st.session_state.get("desk") or {}).get("client"))
    if message is not None:
        moved, failed = answer_decisions(st.session_state.get(_SHOWN, {}), message.pending)
        st.session_state[_TOLD] = (message, moved)
        st.session_state[_STATE] = (message.pending, failed)


def answer_decisions(
    shown: Mapping[str, Shown], pending: Sequence[Pending]
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Write what is new, in order, each on the desk where it was decided.

    Args:
        shown: the desks of this browser session, by their places.
        pending: what the browser does not know to be stored.

    Returns:
        Where an undo leads, `{id, index}`; and per decision that could not be written, why.
    """
    handled = st.session_state.setdefault(_HANDLED, {})
    moved, failed = None, {}
    for one in pending:
        if one.id not in handled:
            try:
                if one.place not in shown:
                    raise DataError(_ELSEWHERE)
                handled[one.id] = _write(shown[one.place], one)
            except TurnoverError as error:
                # Later ones wait, so that the order in the database is the order of the presses;
                # the browser offers to try again, or to discard this one.
                failed[one.id] = content.visible(str(error))
                break
        moved = handled[one.id] or moved
    return moved, failed


def _write(shown: Shown, one: Pending) -> dict[str, Any] | None:
    desk, queue, reviewer = shown
    if one.undo:
        rows = desk.undo(reviewer, one.id, one.of)
        places = np.flatnonzero(np.isin(queue.positions, rows))
        index = int(places[0]) if len(places) else None
        return {"id": one.id, "index": index, "rows": len(rows)}
    train = desk.session.project.dataset.train
    position = train.position(one.key)
    if one.reject:
        desk.proposals.reject(reviewer, desk.proposals.about(position), one.id)
        return None
    desk.decide(reviewer, [Choice(position, one.verdict, one.new_label, one.note)], one.id)
    return None


def window(
    desk: Desk, queue: Queue, reviewer: str, message: Message | None, twins: Mapping[int, str]
) -> list[dict[str, Any]]:
    """The rows that the browser asked for and has not got; the first few if it has none."""
    if message is not None and message.asked <= message.got:
        return []
    start, most = (0, FIRST) if message is None else (message.at, NEXT)
    positions = queue.positions[start : start + most].tolist()
    waiting = desk.proposals.waiting()
    return [
        {
            "index": i,
            **card(desk, evidence, reviewer),
            "proposed": [told(e, desk.classes) for e in waiting.get(evidence.position, [])],
            "twin": twins.get(evidence.position, ""),
        }
        for i, evidence in enumerate(desk.evidence(positions), start)
    ]


def card(desk: Desk, evidence: LabelEvidence, reviewer: str) -> dict[str, Any]:
    """One row with its evidence, as plain values for the browser."""
    session = desk.session
    train = session.project.dataset.train
    position = evidence.position
    row = desk.scores.iloc[position]
    words = desk.words(position)
    own = words.pop(reviewer, None)
    return {
        "key": to_hex(train.keys[position]),
        "id": _id(train, position),
        **_content(train, position, content.LARGE),
        "given": int(row["given"]),
        "p_given": _chance(row["p_given"]),
        "suggested": int(row["suggested"]),
        "p_suggested": _chance(row["p_suggested"]),
        "alternative": evidence.alternative,
        "likely": [
            {"label": label, "chance": _chance(chance) if chance >= 0.01 else ""}
            for label, chance in evidence.likely
        ],
        "facts": _facts(row),
        "nearest": content.visible(evidence.near.sentence(desk.classes)),
        "given_near": _rows(desk, evidence.given),
        "other_near": _rows(desk, evidence.other),
        "mine": "" if own is None else _word(own.decision.verdict, own.decision.new_label),
        "others": [
            f"{who} said: {_word(event.decision.verdict, event.decision.new_label)}"
            for who, event in sorted(words.items())
        ],
    }


def _facts(row: Any) -> list[dict[str, str]]:
    facts = [
        (
            "Out-of-sample probability of the given label",
            _chance(row["p_given"]),
            "What the side of the network that never saw this row thinks of its label. "
            "Source: Kobayashi et al. 2020, arXiv 2012.04207.",
        ),
        (
            "Memorisation",
            numbers.influence(float(row["self_influence"]), float(row["self_influence_stderr"])),
            "How much having seen the row lowered its own loss, in nats ± standard error over "
            "members; high for memorised rows. Source: Kobayashi et al. 2020.",
        ),
        (
            "Nearest rows with the same label",
            numbers.percent(float(row["knn_agreement"])),
            "Share of the 10 nearest rows in the encoder's features that carry the given label. "
            "Source: nearest neighbours by cosine similarity.",
        ),
        (
            "cleanlab",
            "label issue" if row["cleanlab_issue"] else "no issue",
            "cleanlab's find_label_issues on the flipped-side probabilities. Source: Northcutt et "
            "al. 2021, confident learning.",
        ),
    ]
    return [{"name": name, "value": value, "help": text} for name, value, text in facts]


def _rows(desk: Desk, found: Labelled | None) -> dict[str, Any]:
    """The nearest rows of a label; `close` where any of them looks like the row."""
    if found is None:
        return {"close": False, "rows": []}
    train = desk.session.project.dataset.train
    rows = [
        {
            **_content(train, int(position), content.THUMB),
            "id": _id(train, int(position)),
            "label": _name(desk, train.labels[position]),
            "score": numbers.percent(max(float(cosine), 0.0)),
        }
        for position, cosine in zip(found.positions, found.similarity, strict=True)
    ]
    return {"close": found.close, "rows": rows}


def _content(train: Split, position: int, size: int) -> dict[str, str]:
    if train.content_column == "text":
        return {"text": content.visible(train.texts([position])[0])}
    try:
        picture = content.picture(train.image_bytes(position), size)
    except DataError:
        return {}
    return {"image": "data:image/webp;base64," + base64.b64encode(picture).decode("ascii")}


def _id(train: Split, position: int) -> str:
    return content.visible(str(train.table.column("id")[position].as_py()))


def _name(desk: Desk, label: Any) -> str:
    return content.visible(desk.classes[int(label)]) if int(label) >= 0 else ""


def _chance(value: Any) -> str:
    return "" if np.isnan(value) else numbers.percent(float(value), 1)


def _word(verdict: str, new_label: str | None) -> str:
    return f"{verdict} to {new_label}" if new_label else verdict
