"""Changes to rooms: stored and published in one step in Redis, seen by all through the bus."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import structlog

from rooms.errors import Code, RoomError
from rooms.events import (
    Event,
    ParticipantUpdated,
    RecordingFailed,
    RecordingStarted,
    RecordingStopped,
    StageChanged,
    TrackPublished,
    TrackUnpublished,
    TrackUpdated,
    apply,
)
from rooms.ids import Identity, RoomId, SessionId, TrackId
from rooms.live import Live, Recording, Track
from rooms.ports import Rule
from server.realtime.codec import private_part, to_json
from server.realtime.link import RedisLink
from server.realtime.mirror import RoomState
from server.realtime.mirrors import Mirrors, fresh_epoch
from server.realtime.nodes import Nodes
from server.realtime.records import SessionRecord, TrackRecord

log = structlog.get_logger(__name__)

ATTEMPTS = 8
"""Times a rule is asked again because somebody else was quicker."""

BACKLOG = 10_000
"""Events of stored facts kept while Redis is away; older ones are found in SQL."""

RETRY_PAUSE = 0.25

REFUSALS = 4
"""Times a kept event may be refused by a Redis that does answer, before it is dropped."""

_session = msgspec.json.Decoder(SessionRecord)

Touched = tuple[str, str, str, str]
"""What an event changes in Redis: kind, key, JSON before and after ("" for absent)."""


class LiveRooms:
    """Fulfils rooms.ports.LiveRooms, and keeps tracks. Owner: Realtime.

    Attributes:
        dropped: kept events that could not be published, for a reason other than
            an absent Redis; who looks at the room anew finds them in SQL.
    """

    def __init__(self, link: RedisLink, nodes: Nodes, mirrors: Mirrors) -> None:
        self._link = link
        self._nodes = nodes
        self._mirrors = mirrors
        self.dropped = 0
        self._backlog: deque[tuple[RoomId, Event]] = deque(maxlen=BACKLOG)
        self._waiting = asyncio.Event()

    async def view(self, room: RoomId) -> Live:
        """Read the room: this node's mirror, or Redis when nobody here is in it."""
        mirror = self._mirrors.get(room)
        return mirror.live if mirror is not None else (await self.fetch(room)).live

    async def fetch(self, room: RoomId) -> RoomState:
        """Read the room from Redis and SQL, with its track records.

        Raises:
            RoomError: NOT_FOUND, UNAVAILABLE.
        """
        return await self._mirrors.load(room)

    async def sessions(self, room: RoomId) -> dict[SessionId, SessionRecord]:
        """Say who has which sessions in the room, on any node."""
        found = await self._link.run("sessions", room)
        pairs = zip(found[::2], found[1::2], strict=True)
        return {SessionId(i.decode()): _session.decode(record) for i, record in pairs}

    async def people(self, rooms: Iterable[RoomId]) -> dict[RoomId, int]:
        """Count who is in each room, once each however many tabs they have."""
        asked = list(rooms)
        return (
            dict(zip(asked, await self._link.run("people", *asked), strict=True)) if asked else {}
        )

    async def update(self, room: RoomId, rule: Rule) -> Event | None:
        """Let ``rule`` decide on the room and make its event happen.

        Raises:
            RoomError: what the rule raised; CONFLICT when others are always quicker; UNAVAILABLE.
        """
        live = await self.view(room)
        for _ in range(ATTEMPTS):
            event = rule(live)
            if event is None:
                return None
            if await self._publish(room, event, touched(live, event)):
                return event
            live = (await self.fetch(room)).live
        raise RoomError(Code.CONFLICT, "Too many people change this at once; try again.")

    async def publish(self, room: RoomId, event: Event) -> None:
        """Publish a fact that SQL already has; kept and tried again while Redis is away."""
        if self._backlog:
            self._backlog.append((room, event))
            return
        try:
            await self._publish(room, event, [])
        except RoomError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
            self._backlog.append((room, event))
            self._waiting.set()

    async def publish_waiting_forever(self) -> None:
        """Publish what ``publish`` had to keep, in order."""
        refusals = 0
        while True:
            await self._waiting.wait()
            while self._backlog:
                room, event = self._backlog[0]
                try:
                    await self._publish(room, event, [])
                except RoomError as error:
                    log.debug("event_waits", room=room, what=event.name, error=error.message)
                    await asyncio.sleep(RETRY_PAUSE)
                    continue
                except Exception:
                    refusals += 1
                    if refusals < REFUSALS:
                        await asyncio.sleep(RETRY_PAUSE)
                        continue
                    self.dropped += 1
                    log.exception("event_dropped", room=room, what=event.name)
                refusals = 0
                self._backlog.popleft()
            self._waiting.clear()

    async def remove(self, room: RoomId, identity: Identity) -> None:
        """End every session of a person, on whatever node; their nodes hear it from the bus."""
        me = self._nodes.me
        await self._link.run("person_remove", me.id, me.fence, room, identity)

    async def restore_stage(self, room: RoomId, identity: Identity) -> None:
        """Put a person back on stage after Redis forgot the room, unless somebody is there."""
        await self._publish(room, StageChanged(identity=identity), [("stage", "", "", identity)])

    async def restore_recording(self, room: RoomId, recording: Recording) -> None:
        """Say again that the room is recorded, after Redis forgot it."""
        await self._publish(
            room,
            RecordingStarted(recording=recording),
            [("recording", "", "", to_json(recording))],
        )

    async def publish_track(self, record: TrackRecord) -> None:
        """Make a track known. Repeated, it changes nothing.

        Raises:
            RoomError: NOT_JOINED when its session has ended; UNAVAILABLE.
        """
        room = self._room_of(record)
        track = record.track
        await self._publish(
            room,
            TrackPublished(track=track),
            [("track", track.id, "", to_json(track))],
            private_part(record),
        )

    async def update_track(self, room: RoomId, track: Track) -> None:
        """Make a track's new state known; a track that is gone stays gone."""

        def rule(live: Live) -> Event | None:
            known = live.tracks.get(track.id)
            return None if known is None or known == track else TrackUpdated(track=track)

        await self.update(room, rule)

    async def unpublish_track(self, room: RoomId, track_id: TrackId) -> None:
        """Make it known that a track is gone. Repeated, it changes nothing."""
        await self.update(
            room,
            lambda live: TrackUnpublished(id=track_id) if track_id in live.tracks else None,
        )

    def _room_of(self, record: TrackRecord) -> RoomId:
        for mirror in self._mirrors:
            if record.session in mirror.sessions:
                return mirror.room
        raise RoomError(Code.NOT_JOINED, "This session has ended.")

    async def _publish(
        self, room: RoomId, event: Event, touching: list[Touched], private: str = ""
    ) -> bool:
        me = self._nodes.me
        flat = [text for touch in touching for text in touch]
        answer = await self._link.run(
            "publish",
            me.id,
            me.fence,
            room,
            fresh_epoch(),
            event.name,
            to_json(event),
            private,
            *flat,
        )
        if len(answer) == 1:
            raise RoomError(Code.NOT_JOINED, "This session has ended.")
        return bool(answer)


def touched(live: Live, event: Event) -> list[Touched]:
    """Name what ``event`` changes, with its state in ``live`` and after."""
    after = apply(live, event)
    touching: list[Touched] = []
    identity: Identity | None = getattr(event, "identity", None)
    if isinstance(event, ParticipantUpdated):
        identity = event.participant.identity
    if isinstance(event, StageChanged):
        touching.append(("stage", "", live.stage or "", after.stage or ""))
    if isinstance(event, RecordingStarted | RecordingStopped | RecordingFailed):
        # Everybody's answers change too; the script sees to that.
        before, now = ("" if r is None else to_json(r) for r in (live.recording, after.recording))
        return [("recording", "", before, now)]
    if identity is not None:
        touching.append(
            (
                "person",
                identity,
                _json(live.participants, identity),
                _json(after.participants, identity),
            )
        )
    track: Track | None = getattr(event, "track", None)
    track_id = track.id if track is not None else getattr(event, "id", None)
    if track_id is not None:
        touching.append(
            ("track", track_id, _json(live.tracks, track_id), _json(after.tracks, track_id))
        )
    return touching


def _json(things: Mapping[Any, object], key: str) -> str:
    thing = things.get(key)
    return "" if thing is None else to_json(thing)
