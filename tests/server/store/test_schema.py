from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from server.store import Store, StoreUnavailable
from server.store.database import make_engine, parse_url
from server.store.schema import downgrade, migrate, newest_version
from server.store.tables import metadata
from tests.server.store.samples import hall, say

ROOT = Path(__file__).parents[3]


async def in_database(url: str, look: Any) -> Any:
    engine = make_engine(parse_url(url))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(look)
    finally:
        await engine.dispose()


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_migrations_make_the_tables_that_the_program_declares(database_url: str) -> None:
    await migrate(database_url)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    assert await in_database(database_url, differences) == []


def test_the_newest_migration_is_the_one_whose_file_comes_last() -> None:
    heads = ScriptDirectory(str(ROOT / "server/store/migrations")).get_heads()
    assert heads == [newest_version()], "name migrations v0001_…, v0002_…: alembic --rev-id 0002"


async def test_a_database_of_an_earlier_version_gets_what_is_new(database_url: str) -> None:
    await migrate(database_url)
    await downgrade(database_url, "0001")
    await migrate(database_url)
    assert await in_database(database_url, tables) >= set(metadata.tables)


async def test_a_second_migration_changes_nothing_and_keeps_the_rows(database_url: str) -> None:
    async with Store.open(database_url) as store:
        await store.rooms.create(hall())
        await say(store, "kept")
    async with Store.open(database_url) as store:
        assert [message.text for message in await store.chat.tail(hall().id, 5)] == ["kept"]


OPEN_WITHOUT_ALEMBIC = """
import asyncio, sys
from server.store import Store

async def main(url):
    async with Store.open(url) as store:
        await store.check()
    sys.exit("alembic" in sys.modules)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
async def test_a_database_that_needs_no_migration_is_opened_without_alembic(
    database_url: str,
) -> None:
    await migrate(database_url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OPEN_WITHOUT_ALEMBIC, database_url, cwd=ROOT
    )
    assert await process.wait() == 0


async def test_downgrading_takes_every_table_away_and_upgrading_brings_them_back(
    database_url: str,
) -> None:
    await migrate(database_url)
    await downgrade(database_url, "base")
    assert await in_database(database_url, tables) == {"alembic_version"}
    await migrate(database_url)
    assert await in_database(database_url, tables) >= set(metadata.tables)


OPEN_IN_ANOTHER_PROCESS = """
import asyncio, sys
from server.store import Store
from tests.server.store.samples import hall

async def main(url):
    async with Store.open(url) as store:
        await store.rooms.ensure(hall())

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
async def test_nodes_that_start_at_once_migrate_in_turn(database_url: str) -> None:
    nodes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPEN_IN_ANOTHER_PROCESS, database_url, cwd=ROOT
        )
        for _ in range(3)
    ]
    assert [await node.wait() for node in nodes] == [0, 0, 0]
    async with Store.open(database_url) as store:
        assert await store.rooms.list() == [hall()]


async def test_a_database_of_a_later_version_is_refused(database_url: str) -> None:
    await migrate(database_url)

    def age(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await in_database(database_url, age)
    with pytest.raises(StoreUnavailable, match=r"version this program does not know.*9999"):
        await migrate(database_url)


async def test_a_failing_migration_changes_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = command.upgrade

    def fail_at_the_end(*arguments: Any) -> None:
        upgrade(*arguments)
        raise OSError("the disk fell out")

    monkeypatch.setattr(command, "upgrade", fail_at_the_end)
    with pytest.raises(StoreUnavailable, match="the disk fell out"):
        await migrate(database_url)
    assert await in_database(database_url, tables) == set()
