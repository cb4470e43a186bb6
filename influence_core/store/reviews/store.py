"""Reviews that cannot be lost: decisions of people, appended to a database.

Every action is one transaction. Nothing is updated or deleted, so two reviewers, two browser
windows or a process that is killed cannot spoil each other's work. The reviews of a project lie in
`reviews.db` in its folder, or where `TURNOVER_DATABASE_URL`, else `database` in `project.toml`,
points; several projects may share such a database, told apart by their names.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from influence_core.data.keys import from_hex, to_hex
from influence_core.store.reviews.events import Action, Decision, Event
from influence_core.store.reviews.schema import EVENTS, open_engine, plain_database_errors

if TYPE_CHECKING:  # a process that only decides need not load the data's libraries
    from influence_core.store.project import Project

URL_VARIABLE = "TURNOVER_DATABASE_URL"


@dataclass(frozen=True)
class Extent:
    """How many events there are, and the number of the last one."""

    events: int
    last: int


class ReviewStore:
    """The events of one project; may be shared by threads."""

    def __init__(self, url: str, project: str = "") -> None:
        """Open the database, making the table if need be.

        Args:
            url: SQLAlchemy URL.
            project: whose events, in a database that several projects share.

        Raises:
            StoreError: it cannot be opened.
        """
        self._engine = open_engine(url)
        self._project = project

    def append(self, action: Action) -> int:
        """Write an action, whole or not at all; if it is there already, nothing happens.

        Returns:
            The number of events written: 0 if there was nothing to decide or it was there.

        Raises:
            StoreError: the database cannot be written; nothing of the action is there then.
        """
        rows = list(self._rows(action))
        if not rows:
            return 0
        with plain_database_errors(self._engine, "written"):
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.insert(EVENTS), rows)
            except IntegrityError:
                # The action is there already: it was sent twice, perhaps at the same moment.
                if not self._has(action.id):
                    raise
                return 0
        return len(rows)

    def undo(self, action: str, by: Action) -> int:
        """Take an action back: its events once more, marked as undone.

        Args:
            action: id of what is taken back.
            by: who, on which data, and the id of this step; its decisions are not looked at.

        Returns:
            The number of rows that it was about; 0 if there is no such action of that reviewer.
        """
        wanted = (EVENTS.c.action == action, EVENTS.c.reviewer == by.reviewer)
        before = [event.decision for event in self._read(*wanted)]
        return self.append(replace(by, decisions=before, undoes=action))

    def events(self, after: int = 0) -> list[Event]:
        """Events whose number is greater, in the order of their numbers."""
        return list(self._read(EVENTS.c.number > after))

    def extent(self) -> Extent:
        """How much there is; cheap."""
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(EVENTS.c.number), 0)).where(
            EVENTS.c.project == self._project
        )
        with plain_database_errors(self._engine, "read"), self._engine.connect() as connection:
            count, last = connection.execute(query).one()
        return Extent(int(count), int(last))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _has(self, action: str) -> bool:
        query = sa.select(EVENTS.c.number).where(
            EVENTS.c.project == self._project, EVENTS.c.action == action
        )
        with plain_database_errors(self._engine, "read"), self._engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def _rows(self, action: Action) -> Iterator[dict[str, object]]:
        for decision in action.decisions:
            yield {
                "project": self._project,
                "time": action.time,
                "reviewer": action.reviewer,
                "key": to_hex(decision.key),
                "fingerprint": action.fingerprint,
                "content_hash": to_hex(decision.content_hash),
                "verdict": decision.verdict,
                "old_label": decision.old_label,
                "new_label": decision.new_label,
                "note": decision.note,
                "run": action.run,
                "action": action.id,
                "undoes": action.undoes,
            }

    def _read(self, *conditions: sa.ColumnElement[bool]) -> Iterator[Event]:
        query = (
            sa.select(EVENTS)
            .where(EVENTS.c.project == self._project, *conditions)
            .order_by(EVENTS.c.number)
        )
        with plain_database_errors(self._engine, "read"), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            decision = Decision(
                from_hex(row.key),
                from_hex(row.content_hash),
                row.verdict,
                row.old_label,
                row.new_label,
                row.note,
            )
            yield Event(
                row.number,
                row.time,
                row.reviewer,
                decision,
                row.fingerprint,
                row.run,
                row.action,
                row.undoes,
            )


def open_reviews(project: "Project") -> ReviewStore:
    """The reviews of a project.

    Raises:
        StoreError: the database cannot be opened.
    """
    shared = os.environ.get(URL_VARIABLE) or project.settings.database
    if shared:
        return ReviewStore(shared, project.name)
    return ReviewStore(project.reviews_url)
