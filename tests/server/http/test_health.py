from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server import keys
from server.http import health
from tests.server.http.client import http_client


async def well() -> None:
    return


async def sick() -> None:
    raise ConnectionError("no route to the database")


async def silent() -> None:
    await asyncio.Event().wait()


async def test_process_that_answers_is_healthy_whatever_it_depends_on(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        client.app[keys.READINESS].require("sql", sick)
        answer = await client.get("/healthz")
        assert answer.status == 200
        assert await answer.json() == {"status": "ok", "node": "test"}


async def test_ready_when_every_part_lives(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        client.app[keys.READINESS].require("sql", well)
        client.app[keys.READINESS].require("redis", well)
        answer = await client.get("/readyz")
        assert answer.status == 200
        assert (await answer.json())["parts"] == {"sql": "ok", "redis": "ok"}


async def test_part_that_is_away_is_named_with_its_cause(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        client.app[keys.READINESS].require("sql", sick)
        client.app[keys.READINESS].require("redis", well)
        answer = await client.get("/readyz")
        assert answer.status == 503
        body = await answer.json()
        assert not body["ready"]
        assert body["parts"] == {"sql": "no route to the database", "redis": "ok"}


@pytest.mark.parametrize(
    ("proxies", "forwarded", "told"),
    [
        ("0", None, True),
        ("0", "127.0.0.1", False),
        ("1", None, True),
        ("1", "203.0.113.9", False),
        ("1", "127.0.0.1, 10.0.0.7", False),
        ("1", "203.0.113.9, ::1", True),
    ],
)
async def test_causes_are_told_to_callers_on_this_machine_alone(
    tmp_path: Path, proxies: str, forwarded: str | None, told: bool
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    async with http_client(tmp_path, proxies=proxies) as client:
        client.app[keys.READINESS].require("sql", sick)
        client.app[keys.READINESS].require("redis", well)
        answer = await client.get("/readyz", headers=headers)
        assert answer.status == 503
        parts = (await answer.json())["parts"]
    cause = "no route to the database" if told else "away"
    assert parts == {"sql": cause, "redis": "ok"}


async def test_part_that_says_nothing_does_not_hang_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PROBE_TIMEOUT_S", 0.01)
    async with http_client(tmp_path) as client:
        client.app[keys.READINESS].require("media", silent)
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert "No answer" in (await answer.json())["parts"]["media"]


async def test_draining_node_is_healthy_but_not_ready(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        client.app[keys.READINESS].require("sql", well)
        client.app[keys.READINESS].draining = True
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/readyz")).status == 503
