"""Sessions: one browser tab's or encoder's stay in a room, on this node.

A session is open in Redis as long as this node renews it. It may outlive its
socket for a blink, and be continued by its client on any node for a while.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from rooms.ids import Identity, RoomId, SessionId, TrackId
from rooms.live import Role
from rooms.ports import Actor
from rooms.signals import SessionClosed, Signal
from server.realtime.codec import encode_signal
from server.realtime.mirror import RoomMirror
from server.realtime.records import TrackRecord
from server.realtime.wire import Frame
from server.tokens import Grant

if TYPE_CHECKING:
    from server.realtime.presence import Presence

log = structlog.get_logger(__name__)

SessionKind = Literal["socket", "whip", "whep"]
"""``whep`` players watch without being in the roster; the other two are there."""

OnClose = Callable[["Session", str], Awaitable[None]]

COMES_BACK = frozenset({"node_draining", "slow", "lost"})
"""Reasons after which a client should connect again."""


CALLBACK_TIMEOUT_S = 3.0
"""What hangs on a session may not keep its person in the room for longer."""


class Carrier(Protocol):
    """What brings frames to a session's client: a socket."""

    def put(self, frame: Frame) -> None:
        """Queue a frame; never waits."""

    def drop(self, *, come_back: bool) -> None:
        """Flush what is queued and hang up; never waits. Without ``come_back`` for good."""


class Session:
    """Owner: Presence. Lifetime: from ``open`` until ``close``; ``closed`` never reverts.

    Attributes:
        carrier: the client's socket, None while it is away or for encoders.
        media: names what this node has of its media; nothing of it outlives this object.
        ended: set when nothing of it is left.
        tracks: what it publishes, to be published again should Redis forget.
    """

    def __init__(
        self,
        presence: Presence,
        mirror: RoomMirror,
        session_id: SessionId,
        grant: Grant,
        kind: SessionKind,
    ) -> None:
        self.id = session_id
        self.room: RoomId = mirror.room
        self.identity: Identity = grant.identity
        self.grant = grant
        self.kind = kind
        self.mirror = mirror
        self.carrier: Carrier | None = None
        self.media = secrets.token_hex(8)
        self.tracks: dict[TrackId, TrackRecord] = {}
        self.closed = False
        self.ended = asyncio.Event()
        self._presence = presence
        self._held: list[Frame] | None = None
        self._on_close: list[OnClose] = []
        self._blink: asyncio.TimerHandle | None = None

    @property
    def role(self) -> Role:
        """The person's role now; the token's for those not in the roster."""
        person = self.mirror.live.participants.get(self.identity)
        return self.grant.role if person is None or self.kind == "whep" else person.role

    @property
    def floor(self) -> bool:
        """Whether a moderator gave this person the floor."""
        person = self.mirror.live.participants.get(self.identity)
        return person is not None and person.floor

    @property
    def actor(self) -> Actor:
        return Actor(room=self.room, session=self.id, identity=self.identity)

    def signal(self, signal: Signal) -> None:
        """Send a signal to this client; lost when its socket is away."""
        self.deliver(encode_signal(signal))

    def deliver(self, frame: Frame) -> None:
        """Queue a frame for this client, in order; never waits."""
        if self._held is not None:
            self._held.append(frame)
        elif self.carrier is not None:
            self.carrier.put(frame)

    def hold(self) -> None:
        """Keep frames back until ``release``: the join's answer must go first."""
        self._held = []

    def release(self) -> None:
        held, self._held = self._held, None
        for frame in held or ():
            self.deliver(frame)

    def on_close(self, callback: OnClose) -> None:
        """Await ``callback(session, reason)`` when the session ends, before others learn of it."""
        self._on_close.append(callback)

    def attach(self, carrier: Carrier) -> None:
        """Give the session a (new) socket; one that was there is replaced."""
        if self._blink is not None:
            self._blink.cancel()
            self._blink = None
        former, self.carrier = self.carrier, carrier
        if former is not None and former is not carrier:
            former.put(encode_signal(SessionClosed(reason="replaced", reconnect=False)))
            former.drop(come_back=False)

    def detach(self, carrier: Carrier, blink: float) -> None:
        """Lose the socket: end the session unless another one comes within ``blink`` seconds."""
        if self.carrier is not carrier or self.closed:
            return
        self.carrier = None
        self._blink = asyncio.get_running_loop().call_later(blink, self.end, "lost")

    def end(self, reason: str) -> None:
        """Close in the background, from where nothing may be awaited."""
        if not self.closed:
            self._presence.spawn(self.close(reason))

    async def close(self, reason: str) -> None:
        """End the session: callbacks, the client, this node, then everybody. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self._blink is not None:
            self._blink.cancel()
        self.mirror.sessions.pop(self.id, None)
        carrier, self.carrier, self._held = self.carrier, None, None
        if carrier is not None and reason != "left":
            come_back = reason in COMES_BACK
            told = "replaced" if reason == "moved" else reason
            carrier.put(encode_signal(SessionClosed(reason=told, reconnect=come_back)))
            carrier.drop(come_back=come_back)
        for callback in self._on_close:
            try:
                async with asyncio.timeout(CALLBACK_TIMEOUT_S):
                    await callback(self, reason)
            except Exception:
                log.exception("session_close_callback_failed", session=self.id, room=self.room)
        try:
            await self._presence.forget(self, reason)
        finally:
            self.ended.set()
