"""What the actions need from the world, as protocols; the server provides them.

Every method may raise RoomError UNAVAILABLE (with ``retry_after_s``) when what
stands behind it is away; then nothing changed, or a repeat changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rooms.commands import MediaAnswer, MediaPublish, MediaRestart, MediaStats, MediaView
from rooms.events import Event
from rooms.ids import Identity, RoomId, SessionId, TrackId
from rooms.live import Live, Message, Recording, RecordingScope, Room

Rule = Callable[[Live], Event | None]
"""Decides on a room as it is: the event that should happen, None for nothing, or RoomError.

Pure, and called again with a fresher room when somebody else was quicker.
"""


class LiveRooms(Protocol):
    """The present of rooms, shared by all nodes."""

    async def view(self, room: RoomId) -> Live:
        """Read the room as this node knows it (milliseconds behind at most while connected)."""

    async def update(self, room: RoomId, rule: Rule) -> Event | None:
        """Let ``rule`` decide, then store and publish its event as one step.

        The event happens only if what it touches is still as the rule saw it.

        Returns:
            The event that happened, or None.
        """

    async def publish(self, room: RoomId, event: Event) -> None:
        """Publish an event whose fact is already stored in SQL; kept and retried while Redis is away."""

    async def remove(self, room: RoomId, identity: Identity) -> None:
        """End every session of ``identity`` on every node; participant.left says ``removed``."""


class RoomStore(Protocol):
    async def get(self, room: RoomId) -> Room | None:
        """Read one room, or None."""

    async def ensure(self, room: Room) -> Room:
        """Save ``room`` unless its id is taken; return the room that has the id."""


class ChatStore(Protocol):
    async def append(
        self,
        room: RoomId,
        *,
        identity: Identity,
        name: str,
        text: str,
        sent_ms: int,
        command_id: str,
    ) -> Message:
        """Save under the room's next number; a repeated ``command_id`` returns the first message."""

    async def tail(self, room: RoomId, limit: int) -> list[Message]:
        """Read the last ``limit`` messages, oldest first."""

    async def before(self, room: RoomId, number: int, limit: int) -> tuple[list[Message], bool]:
        """Read the ``limit`` messages before ``number``, oldest first; and whether more precede."""


class BanStore(Protocol):
    async def add(self, room: RoomId, identity: Identity, *, by: Identity, at_ms: int) -> None:
        """Keep ``identity`` out of ``room`` from now on."""

    async def is_banned(self, room: RoomId, identity: Identity) -> bool:
        """Tell whether ``identity`` was removed from ``room``."""


class Stores(Protocol):
    """The stores of one database (``server.store.Store`` fulfils it)."""

    @property
    def rooms(self) -> RoomStore: ...
    @property
    def chat(self) -> ChatStore: ...
    @property
    def bans(self) -> BanStore: ...


class TrackHolder(Protocol):
    async def hold(self, room: RoomId, track: TrackId, held: bool) -> None:
        """Hold back (or let through) a track's media at the node that has it."""


class Recorder(Protocol):
    """Recordings as they begin; what runs is ended by its event, wherever it is written."""

    async def prepare(
        self, room: RoomId, scope: RecordingScope, by: Identity, at_ms: int
    ) -> Recording:
        """Get everything ready to record at this node, without recording anything.

        Raises:
            RoomError: UNAVAILABLE, the disk is full or the recorder does not start.
        """

    async def begin(self, room: RoomId, recording: Recording) -> None:
        """Record: the room was told."""

    async def discard(self, room: RoomId, recording: Recording) -> None:
        """Undo ``prepare``: the room was not told."""


S = TypeVar("S", contravariant=True)


class MediaCommands(TrackHolder, Protocol[S]):
    """The media commands of one session ``S`` (``server.realtime.sessions.Session``).

    Results are the acks' maps as rooms.commands describes them.
    """

    async def publish(self, session: S, command: MediaPublish) -> dict[str, object]: ...
    async def view(self, session: S, command: MediaView) -> dict[str, object]: ...
    async def answer(self, session: S, command: MediaAnswer) -> dict[str, object]: ...
    async def restart(self, session: S, command: MediaRestart) -> dict[str, object]: ...
    async def stats(self, session: S, command: MediaStats) -> dict[str, object]: ...


Clock = Callable[[], int]
"""Milliseconds since the Unix epoch."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Everything an action may reach."""

    live: LiveRooms
    stores: Stores
    tracks: TrackHolder
    recorder: Recorder
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts: one session of a person in a room."""

    room: RoomId
    session: SessionId
    identity: Identity
