"""The one table of reviews, and how a database is opened for it.

SQLite by default, with a write-ahead log so that readers never wait for a writer, and flushed at
every commit; or any other database that SQLAlchemy knows (PostgreSQL is tested). `store.reviews`
is the only caller.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from influence_core.errors import StoreError

BUSY_MILLISECONDS = 60_000

metadata = sa.MetaData()

# 64-bit keys and hashes are kept as 16 hex digits: databases have no unsigned 64-bit integers,
# and a person who looks into the table meets the same form as in the address bar and in files.
EVENTS = sa.Table(
    "turnover_reviews",
    metadata,
    # SQLite numbers rows by itself only for the type INTEGER; that has 64 bits there.
    sa.Column(
        "number",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("project", sa.String(200), nullable=False),
    sa.Column("time", sa.String(40), nullable=False),
    sa.Column("reviewer", sa.String(100), nullable=False),
    sa.Column("key", sa.String(16), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("content_hash", sa.String(16), nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("old_label", sa.Text),
    sa.Column("new_label", sa.Text),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("run", sa.String(64), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("undoes", sa.String(64), nullable=False),
    sa.UniqueConstraint("project", "action", "key", name="turnover_reviews_once"),
    sqlite_autoincrement=True,
)
_BY_PROJECT = sa.Index("turnover_reviews_project", EVENTS.c.project, EVENTS.c.number)


def open_engine(url: str) -> sa.Engine:
    """Connect, and make the table if it is not there.

    Raises:
        StoreError: the URL names no database that can be opened.
    """
    try:
        parsed = sa.make_url(url)
        # psycopg 3 is the driver that is tested; SQLAlchemy 2.0 alone would ask for psycopg2.
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"The reviews' database address cannot be used ({_short(error)}); write it as "
            "SQLAlchemy does, such as postgresql+psycopg://user:password@host/name."
        ) from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    _make_table(engine)
    return engine


def shown_url(url: str) -> str:
    """An address without its password, for messages."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "which is no address"


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # With a write-ahead log, less than this may lose the last commits when the power fails.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _make_table(engine: sa.Engine) -> None:
    try:
        _create(engine)
    except SQLAlchemyError:
        # Two processes that start at once may both find no table; the second attempt finds it.
        with plain_database_errors(engine, "opened"):
            _create(engine)


def _create(engine: sa.Engine) -> None:
    if sa.inspect(engine).has_table(EVENTS.name):
        return
    with engine.begin() as connection:
        connection.execute(CreateTable(EVENTS, if_not_exists=True))
        connection.execute(CreateIndex(_BY_PROJECT, if_not_exists=True))


@contextmanager
def plain_database_errors(engine: sa.Engine, what: str) -> Iterator[None]:
    """Turn a database's error into one sentence, without the password of the address."""
    try:
        yield
    except SQLAlchemyError as error:
        where = engine.url.render_as_string(hide_password=True)
        if "disk is full" in str(error):  # SQLite's words
            raise StoreError(
                f"Cannot write {where}: the disk is full; free some space and try again."
            ) from error
        raise StoreError(
            f"The reviews in {where} cannot be {what} ({_short(error)}); nothing was changed. "
            "Check that the database is there, writable and not full, and try again."
        ) from error


def _short(error: BaseException) -> str:
    """First line of what the driver says."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n")[0][:200]
