"""*Rows behind most errors*: the training rows that come back in many errors, to be decided.

Counted in the background when the view is opened, once for a run and split, for all viewers.
"""

import json
from collections.abc import Callable
from threading import Event

import streamlit as st

from influence_core.progress import Progress
from influence_core.workflow.explain.groups.behind import Behind, counted_by, rows_behind
from influence_core.workflow.explain.live import LiveScan
from influence_core.workflow.results import ESTIMATORS
from influence_core.workflow.review.suspects import counting, suspects
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers
from pages.ui.draw.bar import bar
from pages.ui.draw.text import plain
from pages.ui.errors.item_label import decided_chip
from pages.ui.errors.mark import is_marked, mark_control
from pages.ui.frame.jobs.scans import live_scans
from pages.ui.frame.paging import page_of

PAGE = 24
_AT_ONCE = 0.2  # seconds: a count sooner than this is drawn without its progress
_SECONDS = 0.5  # between looks at how far it is

Key = tuple[str, ...]
Count = LiveScan[Behind | Progress]


@st.cache_resource(show_spinner=False)
def _counts() -> dict[Key, Count]:
    """The counts of this app, begun or over; a few hundred short lines each."""
    return {}


def _key(session: Session, split: str) -> Key:
    """What a count depends on."""
    record, name = session.run.record, counted_by(session)
    own = json.dumps(dict(session.settings_of(name)), sort_keys=True)
    return (
        str(session.project.root), record.id, str(record.created), str(session.device), split,
        name, own,
    )  # fmt: skip


def often_behind(session: Session, split: str) -> dict[int, int]:
    """Key to number of errors, where they have been counted; nothing is begun."""
    count = _counts().get(_key(session, split))
    if count is None or not count.over or count.cancelled or count.failed:
        return {}
    found = count.wait()[1]
    return found.counts() if isinstance(found, Behind) else {}


def behind_view(session: Session, split: str, show: Callable[[int], None]) -> None:
    """The list, or how far its count is.

    Args:
        show: opens an error by its key.
    """
    counts, key = _counts(), _key(session, split)
    if key not in counts or counts[key].failed:
        counts[key] = live_scans().begin(lambda tell, stop: _count(session, split, tell, stop))
    count = counts[key]
    over = count.ends_within(_AT_ONCE)
    if count.cancelled:
        st.caption("Cancelled.")
        st.button("Count again", key="behind_again", on_click=counts.pop, args=(key, None))
    elif not over:
        st.fragment(_watch, run_every=_SECONDS)(count)
    elif isinstance(found := count.wait()[1], Behind):
        _draw(session, found, show)


def _count(
    session: Session, split: str, tell: Callable[[Behind | Progress], None], stop: Event
) -> Behind:
    return rows_behind(session, split, progress=tell, cancel=stop)


def _watch(count: Count) -> None:
    """How far it is, with Cancel; the page is drawn again when it is over."""
    if count.over:
        st.rerun(scope="app")
    far = count.wait(timeout=0)[1]
    done, total = (far.done, far.total) if isinstance(far, Progress) else (0, 1)
    st.progress(done / total, f"Rows of {numbers.count(done)} errors counted …")
    if st.button("Cancel", key="behind_cancel", icon=":material/stop:", on_click=count.cancel):
        st.rerun(scope="app")


def _draw(session: Session, found: Behind, show: Callable[[int], None]) -> None:
    if found.table.empty:
        st.info("No training row is among the strongest of two errors.")
        return
    bad, decided = suspects(session), counting(session.project)
    flagged = sum(key in bad for key in found.counts())
    all_of_them = (
        "all"
        if found.looked_at == found.wrong
        else f"the worst {numbers.count(found.looked_at)} of"
    )
    st.caption(
        f"Of the 12 training rows that pushed most toward each mistake, those that come back: "
        f"{numbers.many(len(found.table), 'row')}, {numbers.count(flagged)} of them look "
        f"mislabelled. Looked at {all_of_them} {numbers.count(found.wrong)} errors.",
        help="A row may come back because its label is wrong, or only because it is typical of "
        "its class. Counted by the method "
        f"*{plain(ESTIMATORS[found.estimator].title)}*: {plain(ESTIMATORS[found.estimator].source)}"
        ".",
    )
    table = found.table
    if flagged and st.toggle("Only those that look mislabelled", key="behind_suspects"):
        table = table[[int(key) in bad for key in table["key"]]]
    train = session.project.dataset.train
    image = train.content_column != "text"
    most = int(found.table["errors"].max())
    part = table.iloc[page_of(len(table), PAGE, "behind_page")]
    with st.grid(columns="auto", min_column_width=170 if image else 320, gap="xsmall"):
        for row in part.itertuples():
            key = int(row.key)
            with st.container(border=True, gap="xxsmall", key=f"behind_{key:016x}"):
                content.show(train, key, alt=f"Training row {row.id}, labelled {row.label}")
                st.markdown(
                    f"**{plain(row.label)}** · behind {numbers.count(row.errors)} of "
                    f"{numbers.count(found.looked_at)} errors"
                )
                bar(
                    row.errors / most,
                    f"{numbers.percent(row.share, 1)} of the errors",
                    "of the first row",
                )
                if key in bad:
                    st.badge("looks mislabelled", icon=":material/flag:", color="orange")
                if key in decided and not is_marked(key):
                    decided_chip(decided[key].outcome, decided[key].new_label)
                with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                    st.button(
                        ":material/search:", key=f"worst_{key:016x}", on_click=show,
                        args=(int(row.worst),), type="tertiary",
                        help="Explain the worst of the errors behind which this row stands.",
                    )  # fmt: skip
                    mark_control(session, key, f"behind_{key:016x}", leave_out=True)
