"""Reviews that cannot be lost: decisions of people, appended to a database.

Every action is one transaction. Nothing is updated or deleted, so two reviewers, two browser
windows or a process that is killed cannot spoil each other's work. The reviews of a project lie in
`reviews.db` in its folder, or where `TURNOVER_DATABASE_URL`, else `database` in `project.toml`,
points, once it is trusted; several projects may share such a database, told apart by their ids.
Each split has events of its own, since the key of one row may be that of another in a second split.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from influence_core.data.keys import from_hex, to_hex
from influence_core.disk.demo import refuse_in_demo
from influence_core.errors import StoreError
from influence_core.store.reviews.events import Action, Decision, Event
from influence_core.store.reviews.schema import (
    EVENTS,
    open_engine,
    plain_database_errors,
    shown_url,
)
from influence_core.store.reviews.trust import is_trusted

if TYPE_CHECKING:  # a process that only decides need not load the data's libraries
    from influence_core.store.project import Project

URL_VARIABLE = "TURNOVER_DATABASE_URL"
TRAIN = "train"
PROPOSED, REJECTED = "proposed", "rejected"  # events beside those that count


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

    def beside(self, name: str) -> "ReviewStore":
        """Other events about the same rows, which close with it; under no name its own."""
        other = copy(self)
        other._project = _beside(self._project, name)
        return other

    def of_split(self, split: str) -> "ReviewStore":
        """The events about another split, of the store of the training rows; closes with it."""
        other = copy(self)
        other._project = _whose(self._project, split)
        return other

    def append(self, action: Action) -> int:
        """Write an action, whole or not at all; if it is there already, nothing happens.

        Returns:
            The number of events written: 0 if there was nothing to decide or it was there.

        Raises:
            StoreError: the database cannot be written; nothing of the action is there then. Or this
                is a demo.
        """
        refuse_in_demo("decisions are not kept")
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

    def adopt(self, name: str, foreign: Sequence[str]) -> None:
        """Take over the events under a project's name, but those about the data of others.

        Args:
            name: of the project.
            foreign: fingerprints of the data of other projects that have this name.
        """
        own = (EVENTS.c.project == name, EVENTS.c.fingerprint.not_in(foreign))
        with plain_database_errors(self._engine, "written"), self._engine.begin() as connection:
            if connection.execute(sa.select(EVENTS.c.number).where(*own).limit(1)).first():
                connection.execute(sa.update(EVENTS).where(*own).values(project=self._project))

    def copy_to(self, project: str) -> int:
        """Write all events once more for another project, with those beside them, in their order.

        Returns:
            How many there are of its own.
        """
        streams = {_beside(self._project, n): _beside(project, n) for n in ("", PROPOSED, REJECTED)}
        names = [column.name for column in EVENTS.c if column.name not in ("number", "project")]
        whose = sa.case(streams, value=EVENTS.c.project)
        found = sa.select(whose, *(EVENTS.c[name] for name in names))
        found = found.where(EVENTS.c.project.in_(streams)).order_by(EVENTS.c.number)
        with plain_database_errors(self._engine, "written"), self._engine.begin() as connection:
            connection.execute(sa.insert(EVENTS).from_select(["project", *names], found))
        return self.extent().events

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


def shared_database(project: "Project") -> str:
    """URL of the database that this project shares with others; "" if it has its own.

    Raises:
        StoreError: its settings name one, and nobody has said yet that they may.
    """
    given = os.environ.get(URL_VARIABLE)
    named = project.settings.database
    if given or not named:
        return given or ""
    if not is_trusted(named):
        raise StoreError(
            f"{project.root.name}/project.toml names a database, {shown_url(named)}, which "
            "nobody has trusted here; a stranger's project could name any. If it is yours: "
            f"turnover trust {project.root.name}. Else remove the line `database`."
        )
    return named


def has_reviews(project: "Project") -> bool:
    """Whether there is a database, so that who only reads makes none."""
    return bool(shared_database(project)) or (project.root / "reviews.db").is_file()


def open_reviews(project: "Project", split: str = TRAIN) -> ReviewStore:
    """The reviews of one split of a project.

    In a shared database they stand under the project's id. Rows that stand under its name, where
    they stood before projects had ids, are taken over at once; all of those are of training rows.

    Raises:
        StoreError: the database cannot be opened, or a copy of the project would share its rows.
    """
    url = shared_database(project)
    if not url:
        own = f"sqlite:///{(project.root / 'reviews.db').resolve()}"
        return ReviewStore(own, _whose("", split))
    siblings = _siblings(project)
    copies = [p.root.name for p in siblings if _id(p) == project.id]
    if copies:
        raise StoreError(
            f"The folders {project.root.name} and {copies[0]} are copies of one project, so their "
            "decisions would mix in the shared database; give the copy decisions of its own with: "
            "turnover separate FOLDER"
        )
    name, store = project.name, ReviewStore(url, _whose(project.id, split))
    if split != TRAIN:
        return store
    others = [p.fingerprint for p in siblings if p.name == name]
    store.adopt(name, [f for f in others if f != project.fingerprint])
    return store


def separate(project: "Project") -> int:
    """Give a copied project an id, and its own copy of the decisions so far.

    Returns:
        How many events were copied; 0 where the reviews lie in the project's folder anyway.

    Raises:
        StoreError: the settings or the database cannot be written.
    """
    new, url = uuid4().hex, shared_database(project)
    copied = 0
    if url:
        for split in project.dataset.splits:
            with closing(ReviewStore(url, _whose(project.id, split))) as store:
                copied += store.copy_to(_whose(new, split))
    project.with_settings(id=new)
    return copied


def _whose(project: str, split: str) -> str:
    """Under what name the events of a split stand; those of the training rows under the bare id."""
    return project if split == TRAIN else f"{project}/{split}"


def _beside(whose: str, name: str) -> str:
    """Under what name events beside others stand; an id or a split never begins so."""
    return f"{name}:{whose}" if name else whose


def _siblings(project: "Project") -> list["Project"]:
    """The other projects beside it that can be opened."""
    from influence_core.store.project import list_projects

    found = list_projects(project.root.parent)
    return [other for other in found if not other.root.samefile(project.root)]


def _id(project: "Project") -> str:
    try:
        return project.id
    except StoreError:  # its data is damaged, so it shares no decisions
        return ""
