"""Chat: from one member's send to all members having it, over two nodes."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import socketio

from rooms.commands import ChatSend, RoomJoin
from rooms.events import ChatPosted
from tests.bench.machine import circumstances
from tests.bench.report import Section, Table, percentiles
from tests.bench.venue import open_room, running_nodes, ticket
from tests.nodes import Node

TITLE = "Chat: one sends, all have it"
METHOD = """\
Members, half of them at each of two nodes, are in one room; the nodes share a Valkey and an SQLite
database. Members are Socket.IO clients in one process (WebSocket, msgpack). They take turns: one
sends a message, and time runs from its send until the last of all members, the sender among them,
has the event. The next one sends when that is done. Storing and numbering the message, the way
between the nodes, and the decoding of all copies in the measuring process are part of it; clients,
nodes and Valkey share the machine's cores."""

ROOM = "bench"
ACK_TIMEOUT_S = 10.0


class Member:
    """One client in the room; tells ``arrivals`` of each message it gets."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._numbers = itertools.count(1)
        self.socket = socketio.AsyncClient(serializer="msgpack", reconnection=False)
        self.socket.on("event", self._on_event)

    async def join(self, node: Node, token: str) -> None:
        await self.socket.connect(node.url, auth={"token": token}, transports=["websocket"])
        await self.command(RoomJoin.name, {"room": ROOM})

    async def command(self, name: str, data: dict[str, Any]) -> None:
        """Raises RuntimeError when it is refused."""
        message = {"id": f"c{next(self._numbers)}", "data": data}
        answer = await self.socket.call(name, message, timeout=ACK_TIMEOUT_S)
        if "ok" not in answer:
            raise RuntimeError(f"{name} was refused: {answer}")

    def _on_event(self, envelope: dict[str, Any]) -> None:
        if envelope["name"] == ChatPosted.name:
            self._arrivals.came(envelope["data"]["message"]["text"])


class Arrivals:
    """Counts the copies of one message until all have come."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._text = ""
        self._left = 0
        self._last_at = 0.0
        self._all = asyncio.Event()

    def expect(self, text: str) -> None:
        self._text, self._left = text, self._members
        self._all.clear()

    def came(self, text: str) -> None:
        if text == self._text:
            self._left -= 1
            if self._left == 0:
                self._last_at = time.perf_counter()
                self._all.set()

    async def everywhere(self) -> float:
        """When the last copy came (``perf_counter``). Raises TimeoutError."""
        async with asyncio.timeout(ACK_TIMEOUT_S):
            await self._all.wait()
        return self._last_at


async def measure(members: int, messages: int) -> Section:
    """Send that many messages among that many members."""
    told = circumstances()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_nodes(folder, ("gz", "sf")) as nodes:
            await open_room(folder, nodes[0], ROOM)
            arrivals = Arrivals(members)
            people = [Member(arrivals) for _ in range(members)]
            try:
                for number, person in enumerate(people):
                    token = ticket(folder, f"member-{number}", room=ROOM)
                    await person.join(nodes[number % len(nodes)], token)
                await _talk(people, arrivals, 10, "warm-up")
                times_s = await _talk(people, arrivals, messages, "message")
            finally:
                for person in people:
                    await person.socket.disconnect()
    row = [
        percentiles(times_s, 0.5, 0.99, scale=1e3),
        f"{min(times_s) * 1e3:.1f} to {max(times_s) * 1e3:.1f}",
        str(members),
        str(messages),
    ]
    table = Table(["p50 / p99 ms", "least to most ms", "members", "messages"], [row])
    return Section("chat", TITLE, METHOD, told, table)


async def _talk(
    people: Sequence[Member], arrivals: Arrivals, messages: int, word: str
) -> list[float]:
    times_s = []
    for number in range(messages):
        text = f"{word} {number}"
        arrivals.expect(text)
        began = time.perf_counter()
        sending = asyncio.create_task(
            people[number % len(people)].command(ChatSend.name, {"text": text})
        )
        times_s.append(await arrivals.everywhere() - began)
        await sending
    return times_s
