"""Socket.IO at the door: who may connect, what a packet may be, and when to hang up.

Socket.IO is the pipe (msgpack, in-memory manager). Order, numbering, limits
and fan-out are ours; see dispatch, mirror and delivery.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio
import structlog
from aiohttp import web
from engineio import packet as engine_packet
from prometheus_client import CollectorRegistry, Gauge
from socketio import packet as socket_packet
from socketio.exceptions import ConnectionRefusedError as Refused

from rooms.errors import Code, RoomError
from rooms.ids import Identity
from rooms.ports import MediaCommands, Ports, Recorder
from rooms.signals import SessionClosed
from server import keys, tokens
from server.config import Settings
from server.realtime.codec import encode_signal
from server.realtime.dispatch import Connection, Dispatcher, refused
from server.realtime.engine import Engine, Outbox, Socket
from server.realtime.scope import Scope
from server.realtime.service import Realtime
from server.realtime.sessions import Session
from server.realtime.wire import Frame, Packet, ack_frame, disconnect_frame, refusal_frame

log = structlog.get_logger(__name__)

PING_INTERVAL_S = 8
PING_TIMEOUT_S = 8
MESSAGE_BYTES = 64 * 1024
"""A larger message is refused with a code; one beyond TRANSPORT_BYTES ends the connection."""
TRANSPORT_BYTES = 256 * 1024
OUTBOX_BYTES = 1024 * 1024
AUTH_DEADLINE_S = 5.0
SOCKETS_PER_PERSON = 5
STRANGERS_PER_ADDRESS = 256
"""Sockets from one address that have not shown a token yet: a hall shares one address."""
LAST_WORD_S = 1.0
"""How long a client that is told to go may take to read it."""


class Pipe:
    """The socket under a Connection: Engine.IO's, with a byte cap. Owner: Gate."""

    def __init__(self, gate: Gate, engine_socket: Socket, sid: str) -> None:
        self.socket = engine_socket
        self.sid = sid
        self._gate = gate
        self.slow = False

    def put(self, frame: Frame) -> None:
        """Queue a frame; a client that reads too slowly is sent away to resume later."""
        outbox: Outbox = self.socket.queue
        if self.slow or self.socket.closed or self.socket.closing:
            return
        if outbox.size_bytes + len(frame) > OUTBOX_BYTES:
            self.slow = True
            log.info("client_too_slow", bytes=outbox.size_bytes)
            outbox.clear()
            self._queue(encode_signal(SessionClosed(reason="slow", reconnect=True)))
            self.drop(come_back=True)
            return
        self._queue(frame)

    def _queue(self, frame: Frame) -> None:
        self.socket.queue.put_nowait(frame.packet(websocket=self.socket.upgraded))

    def drop(self, *, come_back: bool) -> None:
        """Hang up after what is queued; without ``come_back`` the client stays away."""
        if not come_back:
            self._queue(disconnect_frame())
        self._gate.hang_up(self.socket)


class Gate(socketio.AsyncServer):  # type: ignore[misc]
    """Owner: the application. All sockets of this node."""

    def __init__(
        self,
        settings: Settings,
        realtime: Realtime,
        media: MediaCommands[Session],
        recorder: Recorder,
    ):
        quiet = logging.getLogger("socketio")
        quiet.setLevel(logging.ERROR)
        super().__init__(
            serializer=Packet,
            logger=quiet,
            engineio_logger=quiet,
            cors_allowed_origins=list(settings.origins),
            cors_credentials=False,
            max_http_buffer_size=TRANSPORT_BYTES,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            http_compression=False,
            cookie=None,
        )
        self.scope = Scope()
        self._closed = False
        self._settings = settings
        self._presence = realtime.sessions
        self._blink = realtime.link.timings.blink
        self._dispatcher = Dispatcher(
            Ports(
                live=realtime.live,
                stores=realtime.stores,
                tracks=media,
                recorder=recorder,
                clock=lambda: time.time_ns() // 1_000_000,
            ),
            media,
            realtime.sessions,
            realtime.mirrors,
            realtime.nodes,
            self._blink,
        )
        self._connections: dict[str, Connection] = {}
        self._people: defaultdict[Identity, set[str]] = defaultdict(set)
        self._strangers: Counter[str] = Counter()
        self._deadlines: dict[str, tuple[str, asyncio.TimerHandle]] = {}
        self.on("connect", self._connect)

    def __len__(self) -> int:
        return len(self._connections)

    # The door: connect, authenticate, disconnect.

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> bool | None:
        address = environ["aiohttp.request"].remote or ""
        if self._strangers[address] >= STRANGERS_PER_ADDRESS:
            log.info("too_many_strangers", address=address)
            return False
        self._strangers[address] += 1
        socket: Socket = self.eio.sockets[eio_sid]
        timer = asyncio.get_running_loop().call_later(AUTH_DEADLINE_S, self.hang_up, socket)
        self._deadlines[eio_sid] = (address, timer)
        await super()._handle_eio_connect(eio_sid, environ)
        return None

    def _known(self, eio_sid: str) -> None:
        """Stop waiting for a token: it came, or never will."""
        if eio_sid not in self._deadlines:
            return
        address, timer = self._deadlines.pop(eio_sid)
        timer.cancel()
        self._strangers[address] -= 1
        if self._strangers[address] <= 0:
            del self._strangers[address]

    async def _connect(self, sid: str, _environ: dict[str, Any], auth: object = None) -> None:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        try:
            token = auth.get("token") if isinstance(auth, dict) else None
            if not isinstance(token, str):
                raise RoomError(Code.BAD_TOKEN, "No token was sent; open the room's link again.")
            grant = tokens.verify(self._settings, token)
            if len(self._people[grant.identity]) >= SOCKETS_PER_PERSON:
                raise RoomError(
                    Code.RATE_LIMITED,
                    f"You have {SOCKETS_PER_PERSON} windows open already; close one.",
                    retry_after_s=5.0,
                )
        except RoomError as error:
            raise Refused(error.message, refused(error)["error"]) from None
        self._known(eio_sid)
        connection = Connection(self._dispatcher, Pipe(self, self.eio.sockets[eio_sid], sid), grant)
        self._connections[eio_sid] = connection
        self._people[grant.identity].add(eio_sid)
        self.scope.spawn(connection.serve_forever())

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self._known(eio_sid)
        self._lose(eio_sid)
        await super()._handle_eio_disconnect(eio_sid, reason)

    def _lose(self, eio_sid: str) -> None:
        connection = self._connections.pop(eio_sid, None)
        if connection is None:
            return
        identity = connection.grant.identity
        self._people[identity].discard(eio_sid)
        if not self._people[identity]:
            del self._people[identity]
        connection.lost(self._blink)

    # Packets.

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """Take one message: an event goes to its queue, a bad one ends the connection."""
        if isinstance(data, str):
            self._refuse_json(eio_sid)
            return
        try:
            packet = Packet(encoded_packet=data)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            self._hang_up_on(eio_sid, f"this is no Socket.IO packet in msgpack ({error})")
            return
        if packet.packet_type == socket_packet.EVENT and packet.namespace == "/":
            self._event(eio_sid, packet, len(data))
        elif packet.packet_type == socket_packet.CONNECT and packet.namespace == "/":
            if eio_sid in self._deadlines:
                await self._handle_connect(eio_sid, "/", packet.data)
                if eio_sid not in self._connections:
                    self.hang_up(self.eio.sockets.get(eio_sid))
        elif packet.packet_type == socket_packet.DISCONNECT:
            self.hang_up(self.eio.sockets.get(eio_sid))
        else:
            self._hang_up_on(eio_sid, "this server expects events in the namespace / alone")

    def _event(self, eio_sid: str, packet: Any, size_bytes: int) -> None:
        connection, data = self._connections.get(eio_sid), packet.data
        if connection is None:
            self._hang_up_on(eio_sid, "connect with a token first")
            return
        ack = packet.id if type(packet.id) is int else None
        if size_bytes > MESSAGE_BYTES:
            error = RoomError(Code.TOO_LARGE, f"A message may have {MESSAGE_BYTES} bytes at most.")
            if ack is not None:
                connection.put(ack_frame(ack, refused(error)))
            return
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            self._hang_up_on(eio_sid, "an event is a list that begins with its name")
            return
        connection.receive(data[0], data[1] if len(data) > 1 else None, ack)

    def _refuse_json(self, eio_sid: str) -> None:
        """Tell a client with Socket.IO's default parser, in its own encoding, what is expected."""
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            message = "This server speaks Socket.IO with the msgpack parser; reload the page."
            body = {"message": message, "data": {"code": "bad_command", "message": message}}
            socket.queue.put_nowait(
                engine_packet.Packet(engine_packet.MESSAGE, "4" + json.dumps(body))
            )
            self.hang_up(socket)

    def _hang_up_on(self, eio_sid: str, cause: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or socket.closed:
            return
        log.info("bad_packet", cause=cause[:200])
        error = {"code": str(Code.BAD_COMMAND), "message": cause[:200]}
        frame = refusal_frame({"message": cause[:200], "data": error})
        socket.queue.put_nowait(frame.packet(websocket=socket.upgraded))
        self.hang_up(socket)

    def hang_up(self, socket: Socket | None) -> None:
        """Close a socket after what is queued; cut it if the client does not read that."""
        if socket is not None and not socket.closed and not socket.closing:
            self.scope.spawn(socket.close(wait=False, reason=self.reason.SERVER_DISCONNECT))
            asyncio.get_running_loop().call_later(LAST_WORD_S, socket.abort)

    async def close(self) -> None:
        """Send everybody to another node. Idempotent."""
        if self._closed:
            return
        self._closed = True
        connections = list(self._connections.values())
        sessions = [c.session for c in connections if c.session is not None]
        await asyncio.gather(*(session.close("node_draining") for session in sessions))
        for connection in connections:
            connection.drop(come_back=True)
        await self.scope.drain(LAST_WORD_S)
        for socket in list(self.eio.sockets.values()):
            socket.abort()
        await self.shutdown()
        await self.scope.close()

    def _engineio_server_class(self) -> type[Engine]:
        return Engine


@asynccontextmanager
async def attach(
    app: web.Application,
    settings: Settings,
    realtime: Realtime,
    media: MediaCommands[Session],
    recorder: Recorder,
) -> AsyncIterator[Gate]:
    """Take sockets at ``/socket.io/`` of ``app`` for the length of the block."""
    gate = Gate(settings, realtime, media, recorder)
    gate.attach(app)

    async def shut(_: web.Application) -> None:
        await gate.close()

    # Before aiohttp waits for the connections to end by themselves.
    app.on_shutdown.append(shut)
    if (metrics := app.get(keys.METRICS)) is not None:
        measure(metrics.registry, gate, realtime)
    try:
        yield gate
    finally:
        await gate.close()


def measure(registry: CollectorRegistry, gate: Gate, realtime: Realtime) -> None:
    """Show how much of the real-time core is in use on this node."""
    figures: dict[str, tuple[str, Callable[[], float]]] = {
        "yunhai_realtime_sockets": ("Authenticated sockets.", lambda: len(gate)),
        "yunhai_realtime_rooms": ("Rooms with people here.", lambda: len(list(realtime.mirrors))),
        "yunhai_realtime_nodes": ("Living nodes.", lambda: len(realtime.nodes.alive())),
    }
    for name, (what, read) in figures.items():
        Gauge(name, what, registry=registry).set_function(read)
    dropped = "yunhai_realtime_events_dropped", "Stored events that Redis would not take."
    Gauge(*dropped, registry=registry).set_function(lambda: realtime.live.dropped)
