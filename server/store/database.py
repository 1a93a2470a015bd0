"""One database: its engine, its transactions, and what is done when one fails.

Knows SQLite from PostgreSQL so that the stores need not: SQLite has one writer
at a time (here by a lock, among processes by BEGIN IMMEDIATE), PostgreSQL loses
connections and refuses conflicting transactions. Knows no table.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import CursorResult, Executable, Table, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from rooms.errors import Code, RoomError

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")

PATIENCE_S = 5.0
"""How long a statement may wait for a lock, and a cut-short transaction be tried again."""

_FIRST_PAUSE_S = 0.05

_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_AWAY = _SQLITE_BUSY | {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}

# Classes and codes of PostgreSQL's "Appendix A. PostgreSQL Error Codes".
_POSTGRES_BUSY = ("40", "53300", "57P03")  # rolled back, too many connections, starting up
_POSTGRES_AWAY = ("08", "40", "53", "57", "58")  # and: connection, resources, shutdown, system


class StoreUnavailable(RoomError):  # noqa: N818 - a state of the store, named as one
    """The database does not answer; nothing was saved."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.UNAVAILABLE, message, retry_after_s=PATIENCE_S)


class Transaction:
    """An open transaction, handed to the work that a store does in it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(self, statement: Executable) -> CursorResult[Any]:
        """Run a statement; its rows are all fetched."""
        return await self._connection.execute(statement)

    async def scalar(self, statement: Executable) -> Any:
        """Run a statement; return the first column of its first row, or None without a row."""
        return await self._connection.scalar(statement)

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Begin an INSERT that may go on with ``on_conflict_do_nothing``."""
        if self._connection.dialect.name == "sqlite":
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # large, and of no use with SQLite

        return postgresql.insert(table)


class Database:
    """Owns the engine. Owner: the Store."""

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = url.get_backend_name() == "sqlite"
        self._writer = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str) -> AsyncIterator[Database]:
        """Open a database that is known to be there (``schema.migrate`` has been at it)."""
        url = parse_url(database_url)
        engine = make_engine(url)
        try:
            yield cls(url, engine)
        finally:
            await engine.dispose()

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction that changes nothing."""
        return await self._run(work, writes=False)

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction and commit it.

        ``work`` may run several times, and again after a commit whose answer
        was lost: its second effect must be none.
        """
        return await self._run(work, writes=True)

    async def check(self) -> None:
        """Run an empty query."""

        async def work(transaction: Transaction) -> None:
            await transaction.scalar(text("SELECT 1"))

        await self._run(work, writes=False)

    async def _run(self, work: Callable[[Transaction], Awaitable[T]], *, writes: bool) -> T:
        async def attempt() -> T:
            async with self._turn(writes), self._engine.connect() as connection:
                await connection.execution_options(yunhai_writes=writes)
                async with connection.begin():
                    return await work(Transaction(connection))

        try:
            return await again_while(is_away, attempt)
        except (SQLAlchemyError, OSError) as error:
            if is_away(error):
                raise StoreUnavailable(
                    "The database does not answer, so nothing was saved; try again shortly."
                ) from error
            raise

    @asynccontextmanager
    async def _turn(self, writes: bool) -> AsyncIterator[None]:
        """Wait for this process's turn to write, where only one may."""
        if not (writes and self._is_sqlite):
            yield
            return
        async with asyncio.timeout(PATIENCE_S):
            await self._writer.acquire()
        try:
            yield
        finally:
            self._writer.release()


def parse_url(database_url: str) -> URL:
    """Read the address of a database and name the driver for it.

    Raises:
        StoreUnavailable: no such kind of database, or no file named.
    """
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise StoreUnavailable(
            "YUNHAI_DATABASE_URL is no address of a database; write sqlite:///FILE "
            "or postgresql://USER:PASSWORD@HOST/NAME."
        ) from None
    match url.drivername:
        case "sqlite" | "sqlite+aiosqlite":
            if not url.database or url.database == ":memory:":
                raise StoreUnavailable(
                    "YUNHAI_DATABASE_URL names no file: write sqlite:///FILE; a database in "
                    "memory would be a different one for each connection."
                )
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres" | "postgresql+asyncpg":
            query = dict(url.query)
            if "sslmode" in query:
                query["ssl"] = query.pop("sslmode")  # as the driver calls libpq's parameter
            return url.set(drivername="postgresql+asyncpg", query=query)
        case other:
            raise StoreUnavailable(
                f"YUNHAI_DATABASE_URL asks for {other}; Yunhai speaks sqlite and postgresql."
            )


def masked(url: URL) -> str:
    """Spell the address for people: without driver and password."""
    query = {k: "***" if "password" in k else v for k, v in url.query.items()}
    shown = url.set(drivername=url.get_backend_name(), query=query)
    return shown.render_as_string(hide_password=True).replace("%2A", "*")


def make_engine(url: URL, *, for_migration: bool = False) -> AsyncEngine:
    """Make an engine; it connects when first used.

    Args:
        url: as ``parse_url`` returns it.
        for_migration: on SQLite, write to the log instead of in place from now on,
            make every transaction a write, and leave foreign keys off, as
            rebuilding a table by copying needs it.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(
            url,
            pool_timeout=PATIENCE_S,
            connect_args={"timeout": PATIENCE_S},
        )
        _teach_sqlite(engine, for_migration)
        return engine
    return create_async_engine(
        url,
        pool_pre_ping=True,
        pool_timeout=PATIENCE_S,
        connect_args={
            "timeout": PATIENCE_S,
            "command_timeout": None if for_migration else PATIENCE_S,
            "server_settings": {"application_name": "yunhai"},
        },
    )


def _teach_sqlite(engine: AsyncEngine, for_migration: bool) -> None:
    """Set each connection up, and take BEGIN over from the driver, which would start transactions too late and too weak."""

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        if for_migration:
            cursor.execute("PRAGMA journal_mode=WAL")  # kept in the file
        else:
            cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        writes = for_migration or connection.get_execution_options().get("yunhai_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def again_while(
    passing: Callable[[BaseException], bool], attempt: Callable[[], Awaitable[T]]
) -> T:
    """Await ``attempt``; repeat it, with growing pauses, while it fails for a passing reason."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE_S
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except (SQLAlchemyError, OSError) as error:
            if not passing(error) or clock() + pause_s > deadline:
                raise
        await asyncio.sleep(pause_s)
        pause_s *= 2


def is_busy(error: BaseException) -> bool:
    """Tell whether the database answered that others are in the way just now."""
    return _is_among(error, _SQLITE_BUSY, _POSTGRES_BUSY)


def is_away(error: BaseException) -> bool:
    """Tell whether the database is out of reach or order: the same work may succeed later."""
    if isinstance(error, OSError | PoolTimeoutError):  # refused, reset, timed out; or all in use
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return _is_among(error, _SQLITE_AWAY, _POSTGRES_AWAY)


def _is_among(error: BaseException, sqlite_codes: frozenset[int], states: tuple[str, ...]) -> bool:
    cause: Any = getattr(error, "orig", None)
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in sqlite_codes  # the low byte is the primary result code
    return str(getattr(cause, "sqlstate", None) or "").startswith(states)


def prepare_file(url: URL) -> None:
    """Make the folder of an SQLite file.

    Raises:
        OSError: it cannot be made.
    """
    if url.get_backend_name() == "sqlite" and url.database is not None:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
