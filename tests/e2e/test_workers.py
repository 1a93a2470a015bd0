"""Browsers in one room on several media workers of one node."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser

from rooms.ids import RoomId
from rooms.live import Room, RoomKind
from server import app as application
from server import keys
from server.signalling.media_link import MediaLink
from server.signalling.service import Signalling
from tests.e2e.conftest import ticket
from tests.e2e.visitor import Visitor
from tests.nodes import SECRET
from tests.server.settings import make_settings

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ROOM = RoomId("crowd")


@pytest_asyncio.fixture(loop_scope="module")
async def crowded(
    tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[web.Application]:
    """A node in this process, of two workers; a room's next peer goes to the other."""
    crowd = SimpleNamespace(start=partial(Signalling.start, room_load=1))
    monkeypatch.setattr(application, "Signalling", crowd)
    settings = make_settings(
        tmp_path,
        host="127.0.0.1",
        port="0",
        public_url="http://127.0.0.1:0",
        secret=SECRET,
        redis_url=valkey_url,
        media_host="127.0.0.1",
        media_port="0",
        media_workers="2",
        media_addresses="127.0.0.1",
    )
    async with application.running(settings) as running:
        await running[keys.STORE].rooms.ensure(
            Room(
                id=ROOM,
                kind=RoomKind.TABLE,
                names={"en": "Crowd"},
                city="",
                zone="UTC",
                created_ms=1,
            )
        )
        yield running


async def test_two_people_on_two_workers_see_and_hear_each_other_also_after_one_was_killed(
    crowded: web.Application, browser: Browser
) -> None:
    workers = crowded[keys.SIGNALLING].workers
    url = crowded[keys.SETTINGS].public_url
    people = []
    for identity in ("anna", "ben"):
        token = ticket(room=ROOM, identity=identity, publish=True)
        people.append(await Visitor.arrive(browser, url, token))
    anna, ben = people
    try:
        await anna.enter(ROOM)
        await anna.until(tracks(anna, "anna"), lambda found: len(found) == 2)
        await anna.until(is_up(workers.links[1]), bool)
        workers._placement.loads[0] += 100  # other rooms are busy there: ben goes elsewhere
        await ben.enter(ROOM)
        await asyncio.gather(anna.until_seen_moving("ben"), ben.until_seen_moving("anna"))
        await asyncio.gather(anna.until_heard("ben"), ben.until_heard("anna"))
        mirror = crowded[keys.REALTIME].mirrors.get(ROOM)
        assert mirror is not None
        places = {r.track.identity: r.worker for r in mirror.records.values()}
        assert places == {"anna": 0, "ben": 1}
        of_anna, of_ben = await tracks(anna, "anna")(), await tracks(anna, "ben")()
        for person in people:
            await person.page.evaluate("window.stayed = true")

        process = workers.processes[1]
        assert process.pid is not None
        clock = asyncio.get_running_loop().time
        killed_at = clock()
        os.kill(process.pid, signal.SIGKILL)
        await anna.until(tracks(anna, "ben"), lambda found: len(found) == 2 and not found & of_ben)
        seen = await anna.frames_of("ben")
        await anna.until(lambda: anna.frames_of("ben"), lambda frames: frames > seen)
        print(f"ben was seen again {clock() - killed_at:.2f} s after his worker was killed")
        await asyncio.gather(anna.until_heard("ben"), ben.until_seen_moving("anna"))
        assert process.restarts == 1
        assert await tracks(anna, "anna")() == of_anna, "anna had nothing to publish again"
        for person in people:
            assert await person.page.evaluate("window.stayed") is True
            assert await person.people() == {"anna", "ben"}
            assert person.troubles == []
    finally:
        for person in people:
            await person.leave()


def is_up(link: MediaLink) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return link.up

    return ask


def tracks(visitor: Visitor, identity: str) -> Callable[[], Awaitable[set[str]]]:
    """Ask a page for the ids of a person's tracks."""

    async def ask() -> set[str]:
        live = await visitor.live()
        return {t["id"] for t in live["tracks"].values() if t["identity"] == identity}

    return ask
