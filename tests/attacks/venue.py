"""A worker with two honest people in it, and those who attack it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator

from media import rpc, sdp, stun
from media.client import MediaClient
from media.client.stream import StreamIdentity
from media.parameters import IceCredentials
from tests.media.people import Performer, Reception, Viewer
from tests.media.workers import RunningWorker, connected
from tests.wire import Wire, until

PACE = 16
"""Packets an attacker sends before others have their turn: all share this process with the honest."""


class Person:
    """Sends a camera and a microphone, and receives the other's."""

    def __init__(self, running: RunningWorker, name: str) -> None:
        self.name = name
        self.performer = Performer(running, name)
        self.viewer = Viewer(running, f"{name}-watching")

    async def enter(self) -> None:
        await self.performer.publish()

    async def watch(self, other: Person) -> None:
        await self.viewer.watch(f"{other.name}-audio", f"{other.name}-video")
        await connected(self.viewer.running, self.viewer.peer)
        self.picture = self.viewer.on(f"{other.name}-video")
        self.sound = self.viewer.on(f"{other.name}-audio")

    def close(self) -> None:
        self.performer.close()
        self.viewer.close()


class Venue:
    """What the tests attack, and what must be as before when they have done so."""

    def __init__(self, running: RunningWorker) -> None:
        self.running = running
        self.people = Person(running, "ann"), Person(running, "bo")
        self.address = ("127.0.0.1", running.info.port)

    async def open(self) -> None:
        ann, bo = self.people
        await ann.enter()
        await bo.enter()
        await ann.watch(bo)
        await bo.watch(ann)
        await self.talk_on()

    def close(self) -> None:
        for person in self.people:
            person.close()

    @property
    def receptions(self) -> list[Reception]:
        return [each for person in self.people for each in (person.picture, person.sound)]

    async def talk_on(self, pictures: int = 10) -> None:
        """Wait until everybody has seen so much more of everybody, and heard twice as much."""
        seen = [reception.pictures for reception in self.receptions[::2]]
        heard = [len(reception.packets) for reception in self.receptions[1::2]]
        await until(
            lambda: (
                all(
                    reception.pictures >= before + pictures
                    for reception, before in zip(self.receptions[::2], seen, strict=True)
                )
                and all(
                    len(reception.packets) >= before + 2 * pictures
                    for reception, before in zip(self.receptions[1::2], heard, strict=True)
                )
            )
        )

    async def lost(self) -> dict[str, int]:
        """Packets of the honest that the worker had to ask for again, or that never came out of it."""
        tracks = (await self.running.stats())["tracks"]
        lost = {}
        for person in self.people:
            for name in (f"{person.name}-audio", f"{person.name}-video"):
                layer = tracks[name]["layers"][""]
                lost[f"{name} on the way in"] = layer["lost"] + layer["repaired"]
            lost[f"picture to {person.name}"] = person.picture.missing
            lost[f"sound to {person.name}"] = person.sound.missing
        return lost

    async def counted(self, name: str) -> int:
        """How often the worker counted something, wherever."""
        stats = await self.running.stats()
        everywhere = [stats["port"], stats["worker"]] + [
            peer["dropped"]
            for kind in ("publishers", "subscribers", "players")
            for peer in stats[kind].values()
        ]
        return sum(counters.get(name, 0) for counters in everywhere)

    async def come_to(self, name: str, count: int) -> None:
        """Wait until the worker counted something so often."""
        async with asyncio.timeout(20):
            while await self.counted(name) < count:
                await self.talk_on(1)

    def memory_bytes(self) -> int:
        """What the worker's process holds in memory."""
        shown = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.running.process.pid)],
            capture_output=True,
            check=True,
        )
        return int(shown.stdout) * 1024

    def state(self, peer: str) -> tuple[str, str]:
        """What the worker last said of a peer, and why."""
        said = [n for n in self.running.notices(rpc.PeerStateNotice) if n.peer == peer]
        return (said[-1].state, said[-1].reason) if said else ("", "")


async def paced(packets: Iterable[bytes], send: Callable[[bytes], object]) -> int:
    """Send everything with as little rest as those need who share this loop; how much it was."""
    count = 0
    for packet in packets:
        send(packet)
        count += 1
        if count % PACE == 0:
            await asyncio.sleep(0)
    return count


class Stranger:
    """Somebody with a socket, who knows where the worker is."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.setblocking(False)

    async def send(self, *datagrams: bytes) -> int:
        return await self.flood(datagrams)

    async def flood(self, datagrams: Iterable[bytes]) -> int:
        """Send all; how many they were."""

        def send(datagram: bytes) -> None:
            with contextlib.suppress(BlockingIOError):
                self._sock.sendto(datagram, self._venue.address)

        return await paced(datagrams, send)

    def heard(self) -> list[bytes]:
        """Whatever came back."""
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(self._sock.recv(4096))
        return heard

    async def checked(self, remote: IceCredentials) -> None:
        """Become an address of somebody's whose credentials are known."""
        request, _ = stun.binding_request(
            local=IceCredentials.generate(), remote=remote, tie_breaker=1, priority=1
        )
        await self.send(request)
        await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._sock, 2048), 10)

    def close(self) -> None:
        self._sock.close()


class Rogue:
    """Somebody let in who does what nobody should: its packets are protected with real keys."""

    def __init__(self, venue: Venue, peer: str = "rogue") -> None:
        self.venue = venue
        self.peer = peer
        self.asked: list[bytes] = []
        self.client = MediaClient(host="127.0.0.1", on_rtcp=lambda data, _: self.asked.append(data))
        self.wire: Wire | None = None

    async def describe(self, edit: Callable[[str], str] = str) -> str:
        """Offer to publish; the worker's answer."""
        answer = await self.venue.running.client.call(
            rpc.PublisherOffer(
                peer=self.peer,
                room="another",
                sdp=edit(self.client.offer()),
                auto={"audio": f"{self.peer}-audio", "video": f"{self.peer}-video"},
            )
        )
        return answer.sdp

    async def publish(
        self,
        edit: Callable[[str], str] = str,
        *,
        wired: bool = False,
        before: bytes = b"",
    ) -> None:
        """Connect as a publisher.

        Args:
            edit: what becomes of the offer.
            wired: by a wire that hears and forges packets.
            before: forged each time a packet of the client's is on its way, until it is connected.
        """
        answer = await self.describe(edit)
        if wired:
            self.wire = await Wire(seed=1).open(self.venue.address)
            answer = self.wire.through(answer)
        self.client.take_answer(answer)
        if self.wire is not None and before:
            carried = 0
            while self.client.state == "connecting":
                if len(self.wire.upward) > carried:
                    carried = len(self.wire.upward)
                    self.wire.inject(before)
                await asyncio.sleep(0)
        await self.client.connected()
        await until(lambda: self.venue.state(self.peer)[0] == "connected")

    def stream(self, kind: rpc.Kind) -> StreamIdentity:
        return self.client.stream(kind).identity

    async def send(self, packets: Iterable[bytes]) -> int:
        return await paced(packets, self.client.send_rtp)

    async def send_rtcp(self, packets: Iterable[bytes]) -> int:
        return await paced(packets, self.client.send_rtcp)

    def forge(self) -> Callable[[bytes], None]:
        """What sends a datagram to the worker as if it came from this peer's address."""
        assert self.wire is not None
        return self.wire.inject

    def close(self) -> None:
        self.client.close()
        if self.wire is not None:
            self.wire.close()


def credentials_in(answer: str) -> IceCredentials:
    ice = sdp.parse(answer).sections[0].ice
    assert ice is not None
    return ice


def record(kind: int, body: bytes, *, epoch: int = 0, number: int = 0) -> bytes:
    """RFC 6347 §4.1."""
    head = bytes([kind, 0xFE, 0xFD]) + epoch.to_bytes(2, "big") + number.to_bytes(6, "big")
    return head + len(body).to_bytes(2, "big") + body


def fragment(kind: int, size: int, sequence: int, at: int, body: bytes) -> bytes:
    """RFC 6347 §4.2.2."""
    return (
        bytes([kind])
        + size.to_bytes(3, "big")
        + sequence.to_bytes(2, "big")
        + at.to_bytes(3, "big")
        + len(body).to_bytes(3, "big")
        + body
    )


def numbers(start: int = 0) -> Iterator[int]:
    """Sequence numbers from there on, as they are on the wire."""
    while True:
        yield start & 0xFFFF
        start += 1
