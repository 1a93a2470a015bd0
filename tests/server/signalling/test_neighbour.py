"""Two nodes agree on a relay link: over a bus that loses messages, across restarts and losses.

Both halves run here, each with an RPC client on a real stream; at the other end the
framing's own server writes down what a worker would have been told.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from media import rpc
from media.framing import Request, RpcClient, RpcServer
from rooms.ids import NodeId, RoomId
from server.realtime.scope import Scope
from server.signalling.media_link import MediaLink
from server.signalling.neighbour import LINGER_S, REPEAT_S, Neighbour, Wanted, Where

ROOM = RoomId("hall")


class Notebook:
    """The far end of a node's media link: remembers the state that a worker was told."""

    def __init__(self) -> None:
        self.opened: rpc.RelayOpen | None = None
        self.all_opened: list[rpc.RelayOpen] = []
        self.sends: dict[str, list[str]] = {}
        self.receives: list[str] = []

    def handle(self, request: Request) -> object:
        match request:
            case rpc.RelayOpen():
                self.opened, self.sends, self.receives = request, {}, []
                self.all_opened.append(request)
            case rpc.RelaySend(tracks=tracks):
                assert self.opened is not None
                self.sends = tracks
            case rpc.RelayReceive(tracks=tracks):
                assert self.opened is not None
                self.receives = [info.track for info in tracks]
            case rpc.RelayClose():
                self.opened, self.sends, self.receives = None, {}, []
            case _:
                raise AssertionError(f"unexpected {request}")
        return {}


class Half:
    """One node: its half of the agreement and what its worker was told."""

    def __init__(self, pair: Pair, us: str, them: str, port: int) -> None:
        self.pair = pair
        self.name, self.them, self.port = NodeId(us), NodeId(them), port
        self.link = MediaLink()
        self.notes = Notebook()
        self.wanted: dict[str, Wanted] = {}
        self.alive = True
        self.neighbour = Neighbour(
            Where(self.name, 0),
            Where(self.them, 0),
            self.link,
            self._say,
            pair.scope,
            lambda: pair.now,
            "127.0.0.1",
        )

    async def start_worker(self) -> None:
        self.notes = Notebook()
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=theirs)
        server = RpcServer(reader, writer, self.notes.handle)
        self.pair.tasks.append(asyncio.create_task(server.run()))
        self.pair.writers.append(writer)
        client = RpcClient(*await asyncio.open_connection(sock=ours), self.link.take)
        self.pair.tasks.append(asyncio.create_task(client.run()))
        self.link.attach(client, rpc.WorkerInfo(pid=1, port=self.port, addresses=["192.0.2.1"]))

    async def _say(self, payload: dict[str, Any]) -> None:
        self.pair.said += 1
        if self.pair.random.random() >= self.pair.loss:
            self.pair.half(self.them).neighbour.hear(payload)

    def look(self) -> None:
        self.neighbour.set(self.wanted, lambda room, track: True, alive=self.alive)


class Pair:
    """Both nodes, one clock, and the bus between them."""

    def __init__(self) -> None:
        self.scope = Scope()
        self.tasks: list[asyncio.Task[None]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.now = 100.0
        self.loss = 0.0
        self.said = 0
        self.random = random.Random(0)
        self.gz = Half(self, "gz", "sf", 7001)
        self.sf = Half(self, "sf", "gz", 7002)

    def half(self, name: NodeId) -> Half:
        return self.gz if name == self.gz.name else self.sf

    async def settle(self) -> None:
        """Let everything that can happen now happen."""
        for _ in range(20):  # each word is answered by a new task
            await self.scope.drain(5.0)

    async def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.5, end)
            self.gz.look()
            self.sf.look()
            await self.settle()

    async def look(self) -> None:
        await self.pass_time(0.5)

    def agreed(self) -> bool:
        """Whether both workers were told matching halves of one link."""
        a, b = self.gz.notes.opened, self.sf.notes.opened
        return (
            a is not None
            and b is not None
            and a.link == b.link
            and (a.tx_key, a.rx_key) == (b.rx_key, b.tx_key)
            and a.tx_key != a.rx_key
            and len(a.tx_key) == len(a.rx_key) == 44
            and (a.port, b.port) == (self.sf.port, self.gz.port)
            and set(self.sf.notes.receives) == set(self.gz.notes.sends)
            and set(self.gz.notes.receives) == set(self.sf.notes.sends)
        )


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    pair = Pair()
    await pair.gz.start_worker()
    await pair.sf.start_worker()
    yield pair
    await pair.scope.close()
    for task in pair.tasks:
        task.cancel()
    for writer in pair.writers:
        writer.close()
    await asyncio.gather(*pair.tasks, return_exceptions=True)


def wanted(track: str, *rids: str) -> dict[str, Wanted]:
    layers = [rpc.Layer(rid=rid, ssrc=i) for i, rid in enumerate(rids or ("",))]
    info = rpc.TrackInfo(
        track=track,
        kind="video",
        codec="VP8",
        clock_rate=90_000,
        channels=0,
        fmtp="",
        layers=layers,
    )
    return {track: Wanted(room=ROOM, info=info, rids=rids or ("",))}


@pytest.mark.parametrize("who", ["gz", "sf"])
async def test_a_wish_of_either_node_makes_one_link(pair: Pair, who: str) -> None:
    receiver = pair.half(NodeId(who))
    sender = pair.half(receiver.them)
    receiver.wanted = wanted("t1", "q", "h")
    await pair.look()
    assert pair.agreed()
    assert receiver.notes.receives == ["t1"]
    assert sender.notes.sends == {"t1": ["q", "h"]}
    assert len(pair.gz.notes.all_opened) == len(pair.sf.notes.all_opened) == 1


async def test_wishes_of_both_nodes_at_once_share_one_link(pair: Pair) -> None:
    pair.gz.wanted, pair.sf.wanted = wanted("of-sf"), wanted("of-gz")
    await pair.look()
    assert pair.agreed()
    assert (pair.gz.notes.sends, pair.sf.notes.sends) == ({"of-gz": [""]}, {"of-sf": [""]})
    assert len(pair.gz.notes.all_opened) == len(pair.sf.notes.all_opened) == 1


async def test_two_nodes_that_agree_fall_silent(pair: Pair) -> None:
    pair.gz.wanted, pair.sf.wanted = wanted("of-sf"), wanted("of-gz")
    await pair.pass_time(3 * REPEAT_S)
    said = pair.said
    assert said < 12
    await pair.pass_time(10 * REPEAT_S)
    assert pair.said == said


async def test_nodes_that_want_nothing_say_nothing(pair: Pair) -> None:
    await pair.pass_time(60.0)
    assert pair.said == 0


@pytest.mark.parametrize("seed", range(10))
async def test_lost_messages_only_delay(pair: Pair, seed: int) -> None:
    print(f"seed {seed}")
    pair.random, pair.loss = random.Random(seed), 0.6
    pair.gz.wanted = wanted("of-sf", "q", "h", "f")
    await pair.pass_time(6.0)
    pair.sf.wanted = wanted("of-gz")
    pair.gz.wanted = wanted("of-sf", "q") | wanted("also-of-sf")
    await pair.pass_time(6.0)
    pair.loss = 0.0
    await pair.pass_time(2 * REPEAT_S + LINGER_S)
    assert pair.agreed()
    assert pair.sf.notes.sends == {"of-sf": ["q"], "also-of-sf": [""]}
    assert pair.gz.notes.sends == {"of-gz": [""]}


async def test_what_is_unwanted_for_a_moment_goes_on(pair: Pair) -> None:
    pair.gz.wanted = wanted("t1")
    await pair.look()
    pair.gz.wanted = {}
    await pair.pass_time(LINGER_S - 1.0)
    assert pair.sf.notes.sends == {"t1": [""]}
    pair.gz.wanted = wanted("t1")
    await pair.pass_time(2 * LINGER_S)
    assert pair.sf.notes.sends == {"t1": [""]}
    assert len(pair.sf.notes.all_opened) == 1


async def test_what_stays_unwanted_stops_and_then_the_link_closes(pair: Pair) -> None:
    pair.gz.wanted = wanted("t1")
    await pair.look()
    pair.gz.wanted = {}
    await pair.pass_time(LINGER_S + 1.0)
    assert pair.sf.notes.sends == {}
    await pair.pass_time(LINGER_S + 1.0)
    assert pair.gz.notes.opened is pair.sf.notes.opened is None
    said = pair.said
    await pair.pass_time(10.0)
    assert pair.said == said


async def test_a_closed_link_opens_again_with_other_keys(pair: Pair) -> None:
    pair.sf.wanted = wanted("t1")
    await pair.look()
    pair.sf.wanted = {}
    await pair.pass_time(3 * LINGER_S)
    pair.sf.wanted = wanted("t2")
    await pair.look()
    assert pair.agreed()
    first, second = pair.gz.notes.all_opened
    assert not {first.tx_key, first.rx_key} & {second.tx_key, second.rx_key}


@pytest.mark.parametrize("who", ["gz", "sf"])
async def test_a_link_that_only_one_side_closed_opens_again_with_other_keys(
    pair: Pair, who: str
) -> None:
    """The other node still had its half open, and told the same keys again: numbers began anew."""
    half = pair.half(NodeId(who))
    half.wanted = wanted("t1")
    await pair.look()
    await half.neighbour.close()
    await pair.pass_time(2 * REPEAT_S)
    assert pair.agreed()
    first, second = half.notes.all_opened
    assert not {first.tx_key, first.rx_key} & {second.tx_key, second.rx_key}


@pytest.mark.parametrize("who", ["gz", "sf"])
async def test_a_new_worker_never_gets_the_old_keys(pair: Pair, who: str) -> None:
    pair.gz.wanted, pair.sf.wanted = wanted("of-sf"), wanted("of-gz")
    await pair.look()
    before = pair.gz.notes.opened
    restarted = pair.half(NodeId(who))
    await restarted.start_worker()
    await pair.pass_time(2 * REPEAT_S)
    assert pair.agreed()
    after = pair.gz.notes.opened
    assert before is not None
    assert after is not None
    assert not {before.tx_key, before.rx_key} & {after.tx_key, after.rx_key}
    assert restarted.notes.all_opened == [restarted.notes.opened]


@pytest.mark.parametrize("who", ["gz", "sf"])
async def test_a_lost_link_is_made_anew(pair: Pair, who: str) -> None:
    pair.gz.wanted = wanted("t1")
    await pair.look()
    before = pair.gz.notes.opened
    assert before is not None
    pair.half(NodeId(who)).neighbour.relay_state("up")
    assert pair.half(NodeId(who)).neighbour.state == "up"
    pair.half(NodeId(who)).neighbour.relay_state("lost")
    await pair.pass_time(2 * REPEAT_S)
    assert pair.agreed()
    assert pair.gz.notes.opened is not None
    assert pair.gz.notes.opened.tx_key != before.tx_key


async def test_a_dead_node_is_let_go_and_met_again(pair: Pair) -> None:
    pair.gz.wanted = wanted("t1")
    await pair.look()
    pair.gz.alive = False
    await pair.look()
    assert pair.gz.notes.opened is None
    pair.gz.alive = True
    await pair.pass_time(2 * REPEAT_S)
    assert pair.agreed()


async def test_an_unreadable_state_changes_nothing(pair: Pair) -> None:
    pair.gz.wanted = wanted("t1")
    await pair.look()
    pair.gz.neighbour.hear({"run": 1})
    pair.gz.neighbour.hear({})
    await pair.pass_time(REPEAT_S)
    assert pair.agreed()


async def test_whoever_waits_for_a_track_is_told_when_the_worker_expects_it(pair: Pair) -> None:
    expected = pair.gz.neighbour.expected("t1")
    assert not expected.is_set()
    pair.gz.wanted = wanted("t1")
    await pair.look()
    assert expected.is_set()
    assert pair.gz.neighbour.expected("t1").is_set()


async def test_a_link_lost_while_the_worker_is_told_of_it_is_made_anew(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step went on with a link that was gone, and ended in an exception."""
    tell = pair.gz.link.relay_receive
    lost: list[rpc.RelayOpen | None] = []

    async def tell_and_lose(request: rpc.RelayReceive) -> None:
        await tell(request)
        if not lost:
            lost.append(pair.gz.notes.opened)
            pair.gz.neighbour.relay_state("lost")

    monkeypatch.setattr(pair.gz.link, "relay_receive", tell_and_lose)
    steps = pair.gz.neighbour._step
    failures: list[BaseException] = []

    async def step() -> None:
        try:
            await steps()
        except BaseException as error:
            failures.append(error)
            raise

    monkeypatch.setattr(pair.gz.neighbour._steps, "_step", step)
    pair.gz.wanted = wanted("t1")
    await pair.pass_time(2 * REPEAT_S)
    assert failures == []
    assert lost
    assert pair.agreed()
    assert pair.gz.notes.opened is not lost[0]
