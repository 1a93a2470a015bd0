from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from rooms.errors import Code
from server.store import Store, StoreUnavailable, database
from server.store.database import masked, parse_url
from tests.server.store.samples import hall, say
from tests.services import Postgres


@pytest.mark.parametrize(
    ("url", "driver", "shown"),
    [
        ("sqlite:///var/yunhai.db", "sqlite+aiosqlite", "sqlite:///var/yunhai.db"),
        ("sqlite:////srv/y.db", "sqlite+aiosqlite", "sqlite:////srv/y.db"),
        ("postgres://u:p4ss@db:5/y", "postgresql+asyncpg", "postgresql://u:***@db:5/y"),
        (
            "postgresql://u@db/y?password=p4ss",
            "postgresql+asyncpg",
            "postgresql://u@db/y?password=***",
        ),
    ],
)
def test_addresses_are_read_and_shown_without_password(url: str, driver: str, shown: str) -> None:
    parsed = parse_url(url)
    assert parsed.drivername == driver
    assert masked(parsed) == shown


def test_sslmode_is_passed_on_by_the_drivers_name() -> None:
    assert parse_url("postgresql://u@db/y?sslmode=require").query == {"ssl": "require"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "is no address of a database"),
        ("mysql://u:secret@db/y", "asks for mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_addresses_of_no_use_are_refused_with_a_sentence(url: str, says: str) -> None:
    with pytest.raises(StoreUnavailable, match=says) as refused:
        parse_url(url)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://yunhai:s3cret@127.0.0.1:1/yunhai",
        "postgresql://yunhai:s3cret@/yunhai?host=/nowhere",
        "sqlite:////dev/null/yunhai.db",
    ],
)
async def test_an_unreachable_database_is_named_without_its_password(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be used") as refused:
        async with Store.open(url):
            pass
    assert refused.value.code is Code.UNAVAILABLE
    assert "s3cret" not in refused.value.message
    assert "YUNHAI_DATABASE_URL" in refused.value.message
    assert url.partition(":s3cret")[0] in refused.value.message


@pytest.mark.postgres
async def test_a_missing_postgres_database_is_named(postgres_server: Postgres) -> None:
    with pytest.raises(StoreUnavailable, match='"nobody_made_it" does not exist'):
        async with Store.open(postgres_server.url("nobody_made_it")):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        async with Store.open(f"sqlite:///{tmp_path / 'photo.png'}"):
            pass


async def test_the_folder_of_a_new_file_is_made(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path / 'a' / 'b' / 'y.db'}") as store:
        await store.check()


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[sqlite3.Connection]:
    """Hold the file's write lock, as another process would."""
    holder = sqlite3.connect(str(parse_url(url).database), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield holder
    finally:
        holder.close()


async def test_a_write_waits_while_another_process_writes(sqlite_url: str) -> None:
    async with Store.open(sqlite_url) as store:
        await store.rooms.create(hall())
        async with locked(sqlite_url) as holder:
            writing = asyncio.create_task(say(store, "patient"))
            await store.chat.tail(hall().id, 1)  # reading does not wait
            assert not writing.done()
            holder.execute("COMMIT")
            assert (await writing).number == 1


async def test_a_write_gives_up_when_another_process_keeps_the_lock(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 0.2)
    async with Store.open(sqlite_url) as store:
        await store.rooms.create(hall())
        async with locked(sqlite_url):
            with pytest.raises(StoreUnavailable, match="nothing was saved"):
                await say(store, "in vain")
        assert (await say(store, "after")).number == 1


async def test_a_queue_of_writes_gives_up_together(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 0.2)
    clock = asyncio.get_running_loop().time
    async with Store.open(sqlite_url) as store:
        await store.rooms.create(hall())
        async with locked(sqlite_url):
            began = clock()
            answers = await asyncio.gather(
                *(say(store, str(n)) for n in range(20)), return_exceptions=True
            )
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert clock() - began < 20 * 0.2 / 2


async def test_opening_waits_for_another_process_that_migrates(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Store.open(sqlite_url):
        pass
    async with locked(sqlite_url) as holder:
        asyncio.get_running_loop().call_later(0.2, holder.execute, "COMMIT")
        async with Store.open(sqlite_url) as store:
            await store.check()


async def test_foreign_keys_hold_on_both_databases(store: Store) -> None:
    with pytest.raises(IntegrityError):
        await store.bans.add(hall("nowhere").id, "a", by="b", at_ms=1)  # type: ignore[arg-type]


BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'yunhai'"


@pytest.mark.postgres
async def test_terminated_connections_lose_no_message(
    postgres_server: Postgres, postgres_url: str
) -> None:
    async with Store.open(postgres_url) as store:
        await store.rooms.create(hall())
        for n in range(10):
            saying = [asyncio.create_task(say(store, f"{n}-{m}")) for m in range(4)]
            await asyncio.to_thread(
                postgres_server.sql,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'yunhai'",
            )
            await asyncio.gather(*saying)
        tail = await store.chat.tail(hall().id, 100)
        assert [message.number for message in tail] == list(range(1, 41))
        assert len({message.text for message in tail}) == 40


@pytest.mark.postgres
async def test_a_crash_of_the_server_loses_no_acknowledged_message(
    postgres_server: Postgres, postgres_url: str
) -> None:
    async with Store.open(postgres_url) as store:
        await store.rooms.create(hall())
        await asyncio.gather(*(say(store, f"before-{n}") for n in range(5)))
        # A backend killed outright makes PostgreSQL cut everybody off and recover.
        victim = int(postgres_server.sql(f"{BACKENDS} LIMIT 1"))
        saying = [asyncio.create_task(say(store, f"during-{n}")) for n in range(10)]
        os.kill(victim, signal.SIGKILL)
        await asyncio.gather(*saying)
        tail = await store.chat.tail(hall().id, 100)
        assert [message.number for message in tail] == list(range(1, 16))
        assert len({message.text for message in tail}) == 15


@pytest.mark.postgres
async def test_a_frozen_server_is_given_up_and_comes_back(
    postgres_server: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 0.3)
    async with Store.open(postgres_url) as store:
        await store.rooms.create(hall())
        postmaster = postgres_server.process_id
        frozen = [postmaster, *map(int, postgres_server.sql(BACKENDS).split())]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(say(store, "in vain"), 10)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        monkeypatch.setattr(database, "PATIENCE_S", 10.0)
        await say(store, "after")
        texts = [message.text for message in await store.chat.tail(hall().id, 5)]
        assert texts[-1] == "after"
