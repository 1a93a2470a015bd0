"""Brings a database to a version of the schema, with Alembic.

Runs at every start. Nodes that start at once take turns: the whole change is
one transaction, behind an advisory lock (PostgreSQL) or the write lock (SQLite).
A database of this program's version is left as it is, and Alembic where it is:
importing it takes longer than all else that opening a database does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sqlalchemy import inspect, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError

from server.store.database import (
    StoreUnavailable,
    again_while,
    is_busy,
    make_engine,
    masked,
    parse_url,
    prepare_file,
)

_MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 0x79756E686169
"""Key of the advisory lock: "yunhai" in ASCII."""

_Change = Literal["upgrade", "downgrade"]


async def migrate(database_url: str) -> None:
    """Bring the database to this program's version.

    Raises:
        StoreUnavailable: it cannot be reached or changed, or is of a later
            version than this program knows.
    """
    await _change(database_url, "upgrade", newest_version())


def newest_version() -> str:
    """Read the revision of the newest migration off its file's name: v0001_what_it_does.py."""
    newest = max(path.name for path in (_MIGRATIONS / "versions").glob("v*.py"))
    return newest.partition("_")[0].removeprefix("v")


async def downgrade(database_url: str, revision: str) -> None:
    """Take the database back to ``revision`` ("base": no tables). Raises as ``migrate`` does."""
    await _change(database_url, "downgrade", revision)


async def _change(database_url: str, change: _Change, revision: str) -> None:
    url = parse_url(database_url)
    try:
        prepare_file(url)
        await again_while(is_busy, lambda: _in_turn(url, change, revision))
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise StoreUnavailable(
            f"The database {masked(url)} cannot be used: {str(cause) or type(cause).__name__}. "
            "Check that it runs and that YUNHAI_DATABASE_URL is right."
        ) from error


async def _in_turn(url: URL, change: _Change, revision: str) -> None:
    engine = make_engine(url, for_migration=True)
    try:
        async with engine.connect() as connection, connection.begin():
            if url.get_backend_name() == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(_run, change, revision)
    finally:
        await engine.dispose()


def _run(connection: Connection, change: _Change, revision: str) -> None:
    if _version(connection) == revision:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        (command.upgrade if change == "upgrade" else command.downgrade)(config, revision)
    except CommandError as error:
        raise StoreUnavailable(
            f"The database {masked(connection.engine.url)} is of a version this program does not "
            f"know ({error}); start the program that made it, or a later one."
        ) from error
    if connection.dialect.name == "sqlite":  # foreign keys were off while tables were rebuilt
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise StoreUnavailable(f"The migration would orphan {len(broken)} rows; undone.")


def _version(connection: Connection) -> str | None:
    """Read the revision the database is at; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version
