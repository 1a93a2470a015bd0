"""Whole nodes without sockets: real store, real Redis, real worker process; tabs as Session objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from rooms.ids import RoomId
from rooms.live import Room, RoomKind, Source
from server.config import Settings
from server.realtime.service import Realtime
from server.realtime.sessions import Session, SessionKind
from server.realtime.wire import Frame, Packet
from server.signalling.placement import ROOM_LOAD
from server.signalling.service import Signalling
from server.store import Store
from server.tokens import Grant
from tests.server.guests import until
from tests.server.settings import make_settings

ROOM = RoomId("lobby")
HALL = RoomId("hall")


class Tab:
    """A session and what its client was sent."""

    def __init__(self, node: Node, session: Session) -> None:
        self.node = node
        self.session = session
        self.signals: list[dict[str, Any]] = []
        self.on_offer: Callable[[dict[str, Any]], None] = lambda offer: None
        session.attach(self)

    def put(self, frame: Frame) -> None:
        name, data = Packet(encoded_packet=frame.payload).data
        if name == "signal":
            self.signals.append(data)
            if data["name"] == "media.offer":
                self.on_offer(data["data"])

    def drop(self, *, come_back: bool) -> None:
        """The server hangs up."""

    def named(self, name: str) -> list[dict[str, Any]]:
        return [signal["data"] for signal in self.signals if signal["name"] == name]

    async def signal(self, name: str, after: int = 0, **fields: Any) -> dict[str, Any]:
        """Await the first signal of that name with those fields, skipping ``after`` of them."""

        def matching() -> list[dict[str, Any]]:
            return [d for d in self.named(name) if all(d[k] == v for k, v in fields.items())]

        await until(lambda: len(matching()) > after, f"{name} {fields} for {self.session.identity}")
        return matching()[after]


@dataclass
class Node:
    """One node in this process."""

    settings: Settings
    store: Store
    realtime: Realtime
    signalling: Signalling

    def pid(self, worker: int = 0) -> int:
        """Give the process id of a worker that runs."""
        pid = self.signalling.workers.processes[worker].pid
        assert pid is not None
        return pid

    def up(self, worker: int = 0) -> bool:
        """Tell whether a worker can be asked."""
        return self.signalling.workers.links[worker].up

    async def stats(self, worker: int = 0) -> dict[str, Any]:
        stats = await self.signalling.workers.links[worker].stats(detail=True)
        return cast(dict[str, Any], msgspec.to_builtins(stats))

    async def tab(self, who: Grant, room: RoomId = ROOM, kind: SessionKind = "socket") -> Tab:
        return Tab(self, await self.realtime.sessions.open(room, who, kind))


@asynccontextmanager
async def running_node(
    folder: Path,
    valkey_url: str,
    name: str = "gz",
    *,
    workers: int = 1,
    room_load: int = ROOM_LOAD,
) -> AsyncIterator[Node]:
    """Run a node with two rooms: everybody may publish in ROOM, speakers only in HALL."""
    settings = make_settings(
        folder / name,
        node=name,
        host="127.0.0.1",
        media_host="127.0.0.1",
        media_port="0",
        media_workers=str(workers),
        media_addresses="127.0.0.1",
        database_url=f"sqlite:///{folder / 'shared.db'}",
    )
    async with (
        Store.open(settings.database_url) as store,
        Realtime.start(settings, store, redis_url=valkey_url) as realtime,
    ):
        for room, kind in ((ROOM, RoomKind.LOBBY), (HALL, RoomKind.HALL)):
            await store.rooms.ensure(
                Room(id=room, kind=kind, names={"en": room}, city="", zone="UTC", created_ms=1)
            )
        async with Signalling.start(settings, realtime, room_load=room_load) as signalling:
            yield Node(settings, store, realtime, signalling)


MICROPHONE_ONLY = frozenset({Source.MICROPHONE})
