"""A room's copy on a node that has people in it: applied events, records, local sessions.

Pure bookkeeping: the bus feeds it, ``mirrors`` loads and heals it. What it
applies it hands, encoded once, to each local session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from rooms.events import (
    Event,
    ParticipantLeft,
    TrackPublished,
    TrackUnpublished,
    TrackUpdated,
    apply,
)
from rooms.ids import RoomId, SessionId, TrackId
from rooms.live import Envelope, Live
from server.realtime.codec import BusMessage, encode_event, event_of, record_of
from server.realtime.records import TrackRecord

if TYPE_CHECKING:
    from server.realtime.delivery import Delivery
    from server.realtime.sessions import Session

log = structlog.get_logger(__name__)

Watcher = Callable[["RoomMirror", Event | None], None]
"""Called after each applied event; with None after the whole room was read anew."""


@dataclass(frozen=True, kw_only=True)
class RoomState:
    """A room as read at once: everything true at ``seq`` of ``epoch``."""

    epoch: str
    seq: int
    live: Live
    records: dict[TrackId, TrackRecord]


class RoomMirror:
    """One room on this node. Owner: Mirrors; lives while the room has local sessions.

    Attributes:
        live: the room after event ``seq`` of ``epoch``.
        records: where the media of each track in ``live.tracks`` is.
        sessions: the local ones, by id.
        announced: the highest number heard of; above ``seq`` there is a gap to heal.
    """

    def __init__(self, room: RoomId, state: RoomState, delivery: Delivery) -> None:
        self.room = room
        self.sessions: dict[SessionId, Session] = {}
        self._delivery = delivery
        self._watchers: list[Watcher] = []
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._take(state)

    def _take(self, state: RoomState) -> None:
        self.epoch, self.seq = state.epoch, state.seq
        self.live, self.records = state.live, dict(state.records)
        self.announced = state.seq

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` after each change; returns the way to stop it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def receive(self, message: BusMessage) -> bool:
        """Apply a message if it is the next one.

        Returns:
            False when something is missing before it (a gap, or another epoch).
        """
        if message.epoch != self.epoch:
            return False
        self.announced = max(self.announced, message.seq)
        if message.seq != self.seq + 1:
            return message.seq <= self.seq
        event = event_of(message)
        self.live = apply(self.live, event)
        self.seq = message.seq
        self._keep_records(event, message)
        self._delivery.send(
            encode_event(
                Envelope(epoch=message.epoch, seq=message.seq, name=message.name, data=message.data)
            ),
            self.sessions,
        )
        self._tell(event)
        return True

    def _keep_records(self, event: Event, message: BusMessage) -> None:
        match event:
            case TrackPublished(track=track) if track.id in self.live.tracks:
                self._keep(record_of(message))
            case TrackUpdated(track=track) if track.id in self.records:
                self._keep(replace(self.records[track.id], track=track))
            case TrackUnpublished(id=track_id):
                record = self.records.pop(track_id, None)
                if record is not None and record.session in self.sessions:
                    self.sessions[record.session].tracks.pop(track_id, None)
            case ParticipantLeft():
                self.records = {k: v for k, v in self.records.items() if k in self.live.tracks}

    def _keep(self, record: TrackRecord) -> None:
        self.records[record.track.id] = record
        if record.session in self.sessions:
            self.sessions[record.session].tracks[record.track.id] = record

    def renew(self, state: RoomState) -> None:
        """Take a whole new state: what happened in between cannot be told event by event.

        Local clients get the room's card under the new number. To them that is
        a gap (or another epoch), so they ask for what they miss and join anew.
        """
        self._take(state)
        self._delivery.send(
            encode_event(
                Envelope(
                    epoch=state.epoch,
                    seq=state.seq,
                    name="room.updated",
                    data={"room": state.live.room},
                )
            ),
            self.sessions,
        )
        self._tell(None)

    async def reached(self, epoch: str, seq: int, timeout: float) -> bool:
        """Wait until event ``seq`` of ``epoch`` was applied; tell whether it was."""
        if self.epoch == epoch and self.seq >= seq:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((seq, waiter))
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            pass
        return self.epoch == epoch and self.seq >= seq

    def _tell(self, event: Event | None) -> None:
        waiting, self._waiters = self._waiters, []
        for seq, waiter in waiting:
            if waiter.done():
                continue
            if self.seq >= seq:
                waiter.set_result(None)
            else:
                self._waiters.append((seq, waiter))
        for watcher in list(self._watchers):
            try:
                watcher(self, event)
            except Exception:
                log.exception("room_watcher_failed", room=self.room)
        if isinstance(event, ParticipantLeft):
            for session in list(self.sessions.values()):
                if session.identity == event.identity and event.reason == "removed":
                    session.end(event.reason)
