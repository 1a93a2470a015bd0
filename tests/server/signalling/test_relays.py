"""Two nodes, two workers, one room: tracks cross while somebody there wants them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from rooms.events import TrackUpdated
from rooms.ids import RoomId
from server.signalling.neighbour import Where
from tests.server.guests import grant, until
from tests.server.signalling.media import Follower, Sender
from tests.server.signalling.nodes import ROOM, Node, running_node
from tests.server.signalling.test_peers import CAMERA, MIC, publish
from tests.services import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINK = "relay/gz.0/sf.0"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[tuple[Node, Node]]:
    valkey_server.flush()
    folder = tmp_path_factory.mktemp("nodes")
    async with (
        running_node(folder, valkey_server.url, "gz") as gz,
        running_node(folder, valkey_server.url, "sf") as sf,
    ):
        await until(lambda: len(gz.realtime.nodes.alive()) == 2, "gz to know sf")
        await until(lambda: len(sf.realtime.nodes.alive()) == 2, "sf to know gz")
        yield gz, sf


@pytest_asyncio.fixture(loop_scope="module")
async def nodes(both: tuple[Node, Node]) -> AsyncIterator[tuple[Node, Node]]:
    yield both
    for node in both:
        await node.realtime.sessions.close_all("left")


async def relay_stats(node: Node) -> dict[str, Any]:
    stats: dict[str, Any] = (await node.stats()).get("links", {}).get(LINK, {})
    return stats


async def seen(node: Node, identity: str, count: int, room: RoomId = ROOM) -> list[str]:
    """Await that many tracks of a person in the node's mirror; give their ids."""
    mirror = node.realtime.mirrors.get(room)
    assert mirror is not None

    def tracks() -> list[str]:
        return [t.id for t in mirror.live.tracks.values() if t.identity == identity]

    await until(
        lambda: len(tracks()) == count, f"{count} tracks of {identity} at {node.settings.node}"
    )
    return tracks()


@pytest.mark.parametrize("direction", ["gz to sf", "sf to gz"])
async def test_a_track_crosses_to_whom_it_is_wanted_by(
    nodes: tuple[Node, Node], direction: str
) -> None:
    here, there = nodes if direction == "gz to sf" else nodes[::-1]
    ann, bob = await here.tab(grant("ann")), await there.tab(grant("bob"))
    with closing(Sender()) as sender, closing(Follower(bob)) as follower:
        tracks = await publish(ann, sender)
        await seen(there, "ann", 2)
        await follower.view(tracks[1].id)
        await follower.receiver.flows("audio", "video")
        assert here.signalling.relays.links()[LINK] == "up"
        await follower.view(audio=False)
        await follower.receiver.stops("video")


async def test_people_on_both_nodes_see_each_other(nodes: tuple[Node, Node]) -> None:
    gz, sf = nodes
    ann, bob = await gz.tab(grant("ann")), await sf.tab(grant("bob"))
    with (
        closing(Sender()) as from_ann,
        closing(Sender()) as from_bob,
        closing(Follower(ann)) as at_ann,
        closing(Follower(bob)) as at_bob,
    ):
        of_ann, of_bob = await publish(ann, from_ann), await publish(bob, from_bob)
        await seen(gz, "bob", 2)
        await seen(sf, "ann", 2)
        await at_ann.view(of_bob[1].id)
        await at_bob.view(of_ann[1].id)
        await at_ann.receiver.flows("audio", "video")
        await at_bob.receiver.flows("audio", "video")
        for tab in (ann, bob):
            await until(
                lambda t=tab: any(  # type: ignore[misc]
                    set(data["identities"]) == {"ann", "bob"} for data in t.named("speaker.changed")
                ),
                "both to be named as speakers",
            )


async def test_a_track_crosses_once_however_many_watch(nodes: tuple[Node, Node]) -> None:
    gz, sf = nodes
    ann = await gz.tab(grant("ann"))
    watchers = [Follower(await sf.tab(grant(f"w{i}"))) for i in range(3)]
    with closing(Sender()) as sender:
        tracks = await publish(ann, sender)
        await seen(sf, "ann", 2)
        for watcher in watchers:
            await watcher.view(tracks[1].id)
        for watcher in watchers:
            await watcher.receiver.flows("audio", "video")
        assert sorted((await relay_stats(gz))["sending"]) == sorted(t.id for t in tracks)
        for watcher in watchers:
            watcher.close()


@pytest.mark.slow
async def test_what_nobody_wants_any_more_stops_crossing_and_the_link_ends(
    nodes: tuple[Node, Node],
) -> None:
    gz, sf = nodes
    ann, bob = await gz.tab(grant("ann")), await sf.tab(grant("bob"))
    with closing(Sender(audio=False)) as sender, closing(Follower(bob)) as follower:
        (track,) = await publish(ann, sender, CAMERA.__class__(mid="0", source=CAMERA.source))
        await seen(sf, "ann", 1)
        await follower.view(track.id)
        await follower.receiver.flows("video")
        await follower.view()
        await until(
            lambda: (
                gz.signalling.relays.links()[LINK] == sf.signalling.relays.links()[LINK] == "none"
            ),
            "both ends to close the link",
            timeout_s=25.0,
        )
        assert await relay_stats(gz) == await relay_stats(sf) == {}


async def test_only_the_layers_of_use_cross(nodes: tuple[Node, Node]) -> None:
    gz, sf = nodes
    ann, bob = await gz.tab(grant("ann")), await sf.tab(grant("bob"))
    with (
        closing(Sender(audio=False, rids=("q", "h", "f"))) as sender,
        closing(Follower(bob)) as follower,
    ):
        (track,) = await publish(ann, sender, CAMERA.__class__(mid="0", source=CAMERA.source))
        record = ann.session.mirror.records[track.id]
        assert [layer.rid for layer in record.info.layers] == ["q", "h", "f"]
        await seen(sf, "ann", 1)
        await follower.view(track.id, size=180)
        await follower.receiver.flows("video")
        neighbour = sf.signalling.relays._neighbours[0, Where(gz.realtime.nodes.me.id, 0)]
        assert neighbour._mine.wanted[track.id].rids == ("q",)
        await follower.view(track.id, size=720)
        await until(
            lambda: neighbour._mine.wanted[track.id].rids == ("q", "h", "f"), "all layers wanted"
        )
        await follower.receiver.flows("video", more=30)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["gz", "sf"])
async def test_a_killed_worker_on_either_end_only_interrupts(
    nodes: tuple[Node, Node], victim: str
) -> None:
    gz, sf = nodes
    ann, bob = await gz.tab(grant("ann")), await sf.tab(grant("bob"))
    with (
        closing(Sender(video=False)) as sender,
        closing(Sender(video=False)) as again,
        closing(Follower(bob)) as follower,
    ):
        await publish(ann, sender, MIC)
        await follower.view()
        await follower.receiver.flows("audio")
        pid = (gz if victim == "gz" else sf).pid()
        os.kill(pid, signal.SIGKILL)
        if victim == "gz":
            await ann.signal("media.state", peer="publisher", state="failed")
            await publish(ann, again, MIC)
        else:
            await bob.signal("media.offer", anew=True)
        await follower.receiver.flows("audio")


async def test_a_moderator_s_mute_reaches_the_node_that_has_the_track(
    nodes: tuple[Node, Node],
) -> None:
    gz, sf = nodes
    ann, bob = await gz.tab(grant("ann")), await sf.tab(grant("bob"))
    with closing(Sender(video=False)) as sender, closing(Follower(bob)) as follower:
        (track,) = await publish(ann, sender, MIC)
        await seen(sf, "ann", 1)
        await follower.view()
        await follower.receiver.flows("audio")
        forced = TrackUpdated(track=replace(track, muted=True, forced=True))
        await sf.realtime.live.update(ROOM, lambda live: forced)
        await sf.signalling.peers.hold(ROOM, track.id, True)
        await follower.receiver.stops("audio")


@pytest.mark.slow
async def test_with_three_nodes_each_gets_a_track_from_its_own_and_none_from_a_third(
    nodes: tuple[Node, Node], valkey_server: Valkey
) -> None:
    gz, sf = nodes
    folder = gz.settings.data_dir.parent  # of one convention: the database is there
    async with running_node(folder, valkey_server.url, "tk") as tk:
        for node in (gz, sf, tk):
            alive = node.realtime.nodes.alive
            await until(lambda a=alive: len(a()) == 3, "three nodes to know each other")  # type: ignore[misc]
        ann = await gz.tab(grant("ann"))
        bob, cat = await sf.tab(grant("bob")), await tk.tab(grant("cat"))
        with (
            closing(Sender()) as sender,
            closing(Follower(bob)) as at_sf,
            closing(Follower(cat)) as at_tk,
        ):
            tracks = await publish(ann, sender)
            for node, follower in ((sf, at_sf), (tk, at_tk)):
                await seen(node, "ann", 2)
                await follower.view(tracks[1].id)
                await follower.receiver.flows("audio", "video")
            assert set((await sf.stats())["links"]) == {"relay/gz.0/sf.0"}
            assert set((await tk.stats())["links"]) == {"relay/gz.0/tk.0"}
            assert {n: s for n, s in sf.signalling.relays.links().items() if s != "none"} == {
                "relay/gz.0/sf.0": "up"
            }
            # One of them goes: the other's copy never came from there.
            os.kill(sf.pid(), signal.SIGKILL)
            await at_tk.receiver.flows("audio", "video", more=30)
        await cat.session.close("left")
