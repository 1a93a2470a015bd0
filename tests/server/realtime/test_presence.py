"""Who is here: across nodes, tabs and accidents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rooms.events import ParticipantJoined, ParticipantLeft
from rooms.live import Role
from tests.server.realtime.venue import HALL, ROOM, Node, grant, running_node, until


@pytest.fixture
async def gz(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "gz") as node:
        yield node


@pytest.fixture
async def sf(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "sf") as node:
        yield node


async def test_people_on_two_nodes_see_each_other(gz: Node, sf: Node) -> None:
    await gz.enter(grant("lin"))
    there = await sf.enter(grant("ada"))
    await until(lambda: gz.people() == sf.people() == {"lin", "ada"}, "both rosters")
    await there.close("left")
    await until(lambda: gz.people() == {"lin"}, "a roster without ada")


async def test_three_tabs_are_one_person(gz: Node, sf: Node) -> None:
    watcher = await sf.enter(grant("ada"))
    heard = sf.hear()
    tabs = [
        await gz.enter(grant("lin")),
        await gz.enter(grant("lin")),
        await sf.enter(grant("lin")),
    ]
    await until(lambda: sf.people() == {"lin", "ada"}, "lin")
    assert await gz.realtime.live.people([ROOM, HALL]) == {ROOM: 2, HALL: 0}
    for tab in tabs[:2]:
        await tab.close("left")
    assert await gz.realtime.live.people([ROOM]) == {ROOM: 2}
    await tabs[2].close("left")
    await until(lambda: sf.people() == {"ada"}, "lin gone with the last tab")
    joined = [e for e in heard if isinstance(e, ParticipantJoined)]
    left = [e for e in heard if isinstance(e, ParticipantLeft)]
    assert [e.participant.identity for e in joined] == ["lin"]
    assert [(e.identity, e.reason) for e in left] == [("lin", "left")]
    await watcher.close("left")


async def test_a_player_is_not_in_the_roster(gz: Node) -> None:
    await gz.enter(grant("lin"))
    player = await gz.enter(grant("screen"), kind="whep")
    encoder = await gz.enter(grant("obs", Role.SPEAKER), kind="whip")
    assert gz.people() == {"lin", "obs"}
    await player.close("left")
    await encoder.close("left")
    await until(lambda: gz.people() == {"lin"}, "only lin")
