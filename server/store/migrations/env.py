"""Alembic's way in: runs migrations on the connection that ``server.store.schema`` opened.

From the command line (``alembic -c server/store/alembic.ini …``, to write a new
migration) it opens the database of YUNHAI_DATABASE_URL itself.
"""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy.engine import Connection

from server.store.database import make_engine, parse_url
from server.store.tables import metadata


def run(connection: Connection) -> None:
    """Run what Alembic was told to, with tables rebuilt by copying where SQLite needs it."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_from_command_line() -> None:
    """Open the database of YUNHAI_DATABASE_URL and run there."""
    engine = make_engine(parse_url(os.environ["YUNHAI_DATABASE_URL"]), for_migration=True)
    try:
        async with engine.connect() as connection, connection.begin():
            await connection.run_sync(run)
    finally:
        await engine.dispose()


given: Connection | None = context.config.attributes.get("connection")
if given is None:
    asyncio.run(run_from_command_line())
else:
    run(given)
