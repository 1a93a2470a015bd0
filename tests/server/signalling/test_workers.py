"""Several real workers on one node: who goes where, what crosses, and what a death costs whom."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
import pytest_asyncio

from rooms.ids import RoomId
from rooms.live import Role, Track
from server.signalling.nursery import Nursery
from server.signalling.worker import MediaPortTakenError, WorkerStartError
from server.signalling.workers import Workers
from tests.server.guests import grant, until
from tests.server.settings import make_settings
from tests.server.signalling.media import Follower, Sender
from tests.server.signalling.nodes import HALL, ROOM, Node, Tab, running_node
from tests.server.signalling.test_peers import publish
from tests.server.signalling.test_relays import seen

LINK = "relay/gz.0/gz.1"


@pytest_asyncio.fixture
async def node(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    """Two workers; a room fits on one."""
    async with running_node(tmp_path, valkey_url, workers=2) as node:
        yield node


@pytest_asyncio.fixture
async def crowded(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    """Two workers; a room's second peer goes to the other."""
    async with running_node(tmp_path, valkey_url, workers=2, room_load=1) as node:
        yield node


async def speaker(node: Node, name: str, room: RoomId) -> Tab:
    return await node.tab(grant(name, role=Role.SPEAKER), room)


def worker_of(tab: Tab, track: Track) -> int:
    return tab.session.mirror.records[track.id].worker


async def spread(node: Node, sender: Sender) -> tuple[Tab, list[Track]]:
    """Publish as ann on worker 0 and wait until worker 1 takes the next peer."""
    ann = await node.tab(grant("ann"))
    tracks = await publish(ann, sender)
    assert {worker_of(ann, track) for track in tracks} == {0}
    await until(lambda: node.up(1), "the second worker")
    return ann, tracks


async def test_a_second_worker_begins_when_the_first_has_work(node: Node) -> None:
    assert [process.begun for process in node.signalling.workers.processes] == [True, False]
    ann = await node.tab(grant("ann"))
    with closing(Sender()) as sender:
        await publish(ann, sender)
        await until(lambda: node.up(1), "the second worker")
        ports = [link.info.port for link in node.signalling.workers.links if link.info]
        assert len(set(ports)) == 2


async def test_rooms_go_to_different_workers_and_their_people_stay_together(node: Node) -> None:
    with (
        closing(Sender()) as in_lobby,
        closing(Sender()) as in_hall,
        closing(Follower(await node.tab(grant("bob")))) as bob,
        closing(Follower(await speaker(node, "cat", HALL))) as cat,
    ):
        ann, dan = await node.tab(grant("ann")), await speaker(node, "dan", HALL)
        lobby = await publish(ann, in_lobby)
        await until(lambda: node.up(1), "the second worker")
        hall = await publish(dan, in_hall)
        assert [worker_of(ann, t) for t in lobby] == [0, 0]
        assert [worker_of(dan, t) for t in hall] == [1, 1]
        await bob.view(lobby[1].id)
        await cat.view(hall[1].id)
        await bob.receiver.flows("audio", "video")
        await cat.receiver.flows("audio", "video")
        assert len((await node.stats(0))["subscribers"]) == 1
        assert len((await node.stats(1))["subscribers"]) == 1
        assert node.signalling.relays.links() == {}
        figures = await node.signalling.workers.figures()
        assert [(f.index, f.restarts, f.load) for f in figures] == [(0, 0, 4), (1, 0, 4)]


async def test_a_room_that_grows_spreads_and_each_track_crosses_once(crowded: Node) -> None:
    node = crowded
    async with AsyncExitStack() as stack:
        sender = stack.enter_context(closing(Sender()))
        _, tracks = await spread(node, sender)
        watchers = [Follower(await node.tab(grant(f"w{i}"))) for i in range(4)]
        for watcher in watchers:
            stack.enter_context(closing(watcher))
            await watcher.view(tracks[1].id)
            await watcher.receiver.flows("audio", "video")
        here, there = await node.stats(0), await node.stats(1)
        assert len(there["subscribers"]) >= 2
        assert len(here["subscribers"]) + len(there["subscribers"]) == 4
        ids = sorted(track.id for track in tracks)
        assert sorted(here["links"][LINK]["sending"]) == ids
        assert sorted(there["links"][LINK]["receiving"]) == ids
        assert node.signalling.relays.links() == {LINK: "up"}
        for watcher in watchers:
            await watcher.tab.signal("speaker.changed", identities=["ann"])


async def test_people_on_both_workers_see_each_other_and_a_mute_finds_its_worker(
    crowded: Node,
) -> None:
    node = crowded
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with (
        closing(Sender()) as from_ann,
        closing(Sender()) as from_bob,
        closing(Follower(ann)) as at_ann,
        closing(Follower(bob)) as at_bob,
    ):
        of_ann = await publish(ann, from_ann)
        await until(lambda: node.up(1), "the second worker")
        of_bob = await publish(bob, from_bob)
        assert {worker_of(bob, track) for track in of_bob} == {1}
        await at_ann.view(of_bob[1].id)
        await at_bob.view(of_ann[1].id)
        await at_ann.receiver.flows("audio", "video")
        await at_bob.receiver.flows("audio", "video")
        await node.signalling.peers.hold(ROOM, of_bob[0].id, True)
        await at_ann.receiver.stops("audio")
        await at_bob.receiver.flows("audio")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_or_hanging_worker_is_replaced_and_costs_only_its_own_people(
    node: Node, how: signal.Signals
) -> None:
    with (
        closing(Sender()) as in_lobby,
        closing(Sender()) as in_hall,
        closing(Sender()) as again,
        closing(Follower(await node.tab(grant("bob")))) as bob,
        closing(Follower(await speaker(node, "cat", HALL))) as cat,
    ):
        ann, dan = await node.tab(grant("ann")), await speaker(node, "dan", HALL)
        lobby = await publish(ann, in_lobby)
        await until(lambda: node.up(1), "the second worker")
        hall = await publish(dan, in_hall)
        await bob.view(lobby[1].id)
        await cat.view(hall[1].id)
        await bob.receiver.flows("audio", "video")
        await cat.receiver.flows("audio", "video")
        offers, told = len(bob.tab.named("media.offer")), len(ann.signals)

        died_at = asyncio.get_running_loop().time()
        os.kill(node.pid(1), how)
        await dan.signal("media.state", peer="publisher", state="failed")
        hall = await publish(dan, again)
        await cat.view(hall[1].id)
        await cat.receiver.flows("audio", "video", more=1)
        took_s = asyncio.get_running_loop().time() - died_at
        print(f"people were back with media after {took_s:.2f} s")

        assert node.signalling.workers.processes[1].restarts == 1
        assert [worker_of(dan, t) for t in hall] == [1, 1]
        assert not dan.session.closed
        assert not cat.tab.session.closed
        await bob.receiver.flows("audio", "video")
        assert len(bob.tab.named("media.offer")) == offers
        assert not [s for s in ann.signals[told:] if s["name"] == "media.state"]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
async def test_a_spread_room_is_whole_again_after_a_death_on_either_end(
    crowded: Node, victim: int
) -> None:
    node = crowded
    with closing(Sender()) as sender, closing(Sender()) as again:
        ann, tracks = await spread(node, sender)
        with closing(Follower(await node.tab(grant("bob")))) as bob:
            await bob.view(tracks[1].id)
            await bob.receiver.flows("audio", "video")
            assert len((await node.stats(1))["subscribers"]) == 1
            os.kill(node.pid(victim), signal.SIGKILL)
            if victim == 0:
                await ann.signal("media.state", peer="publisher", state="failed")
                tracks = await publish(ann, again)
                await bob.view(tracks[1].id)
            else:
                await bob.tab.signal("media.offer", anew=True)
            await bob.receiver.flows("audio", "video")
            assert len(bob.tab.named("media.offer")) > 1
            assert {worker_of(ann, track) for track in tracks} == {0}


@pytest.mark.slow
async def test_people_of_a_worker_that_cannot_be_started_go_to_another(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await node.tab(grant("ann"))
    with (
        closing(Sender()) as sender,
        closing(Sender()) as again,
        closing(Follower(await node.tab(grant("bob")))) as bob,
    ):
        await publish(ann, sender)
        await bob.view()
        await bob.receiver.flows("audio")
        await until(lambda: node.up(1), "the second worker")

        async def refuse() -> None:
            raise WorkerStartError("there is no memory")

        monkeypatch.setattr(node.signalling.workers.processes[0], "_start", refuse)
        os.kill(node.pid(0), signal.SIGKILL)
        await ann.signal("media.state", peer="publisher", state="failed")
        tracks = await publish(ann, again)
        assert {worker_of(ann, track) for track in tracks} == {1}
        await bob.receiver.flows("audio")
        await node.signalling.workers.check()


@pytest.mark.slow
async def test_a_track_enters_a_node_once_however_many_of_its_workers_want_it(
    tmp_path: Path, valkey_url: str
) -> None:
    async with (
        running_node(tmp_path, valkey_url, "gz", workers=2, room_load=1) as gz,
        running_node(tmp_path, valkey_url, "sf", workers=2, room_load=1) as sf,
    ):
        await until(lambda: len(gz.realtime.nodes.alive()) == 2, "gz to know sf")
        await until(lambda: len(sf.realtime.nodes.alive()) == 2, "sf to know gz")
        with (
            closing(Sender()) as sender,
            closing(Follower(await sf.tab(grant("bob")))) as bob,
            closing(Follower(await sf.tab(grant("cat")))) as cat,
        ):
            tracks = await publish(await gz.tab(grant("ann")), sender)
            ids = sorted(track.id for track in tracks)
            await seen(sf, "ann", 2)
            await bob.view(tracks[1].id)
            await bob.receiver.flows("audio", "video")
            await until(lambda: sf.up(1), "sf's second worker")
            await cat.view(tracks[1].id)
            await cat.receiver.flows("audio", "video")
            first, second = await sf.stats(0), await sf.stats(1)
            assert len(first["subscribers"]) == len(second["subscribers"]) == 1
            assert sorted(first["links"]["relay/gz.0/sf.0"]["receiving"]) == ids
            assert sorted(first["links"]["relay/sf.0/sf.1"]["sending"]) == ids
            assert list(second["links"]) == ["relay/sf.0/sf.1"]
            # The first one's people go; what it carries for the second stays.
            await bob.tab.session.close("left")
            await cat.receiver.flows("audio", more=300)  # longer than the unwanted lingers
            assert sorted((await sf.stats(0))["links"]["relay/gz.0/sf.0"]["receiving"]) == ids


async def test_a_taken_port_of_a_worker_yet_to_begin_is_named_at_the_start(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = make_settings(
            tmp_path, media_host="127.0.0.1", media_port=str(port - 1), media_workers="2"
        )
        workers = Workers(settings, Nursery())
        with pytest.raises(MediaPortTakenError, match=str(port)) as refused:
            async with workers.running():
                pass
    assert "YUNHAI_MEDIA_WORKERS" in str(refused.value)
