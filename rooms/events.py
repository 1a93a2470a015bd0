"""Events, server to client, past tense, numbered per room; and ``apply``, their one meaning.

The snapshot law: ``apply(live_before, event) == live_after`` for every event,
here and in ``state.ts``, driven by one fixture file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rooms.ids import Identity, RecordingId, TrackId
from rooms.live import Live, Message, Participant, Recording, Role, Room, Track

CHAT_TAIL = 50
"""Messages kept in ``Live.messages``; older ones are paged from SQL."""


@dataclass(frozen=True, kw_only=True)
class RoomUpdated:
    name: ClassVar[str] = "room.updated"
    room: Room


@dataclass(frozen=True, kw_only=True)
class ParticipantJoined:
    name: ClassVar[str] = "participant.joined"
    participant: Participant


@dataclass(frozen=True, kw_only=True)
class ParticipantUpdated:
    """Name, role or city changed (hand and floor have events of their own)."""

    name: ClassVar[str] = "participant.updated"
    participant: Participant


@dataclass(frozen=True, kw_only=True)
class ParticipantLeft:
    """``reason``: left, removed, lost (lease expired). Their tracks are gone with them."""

    name: ClassVar[str] = "participant.left"
    identity: Identity
    reason: str


@dataclass(frozen=True, kw_only=True)
class HandRaised:
    name: ClassVar[str] = "hand.raised"
    identity: Identity
    at_ms: int


@dataclass(frozen=True, kw_only=True)
class HandLowered:
    name: ClassVar[str] = "hand.lowered"
    identity: Identity


@dataclass(frozen=True, kw_only=True)
class FloorGiven:
    """The person may publish now; their hand goes down."""

    name: ClassVar[str] = "floor.given"
    identity: Identity
    by: Identity


@dataclass(frozen=True, kw_only=True)
class FloorTaken:
    name: ClassVar[str] = "floor.taken"
    identity: Identity
    by: Identity


@dataclass(frozen=True, kw_only=True)
class RoleChanged:
    name: ClassVar[str] = "role.changed"
    identity: Identity
    role: Role
    by: Identity


@dataclass(frozen=True, kw_only=True)
class StageChanged:
    """Who is on stage (the room's program), or None."""

    name: ClassVar[str] = "stage.changed"
    identity: Identity | None


@dataclass(frozen=True, kw_only=True)
class TrackPublished:
    name: ClassVar[str] = "track.published"
    track: Track


@dataclass(frozen=True, kw_only=True)
class TrackUpdated:
    name: ClassVar[str] = "track.updated"
    track: Track


@dataclass(frozen=True, kw_only=True)
class TrackUnpublished:
    name: ClassVar[str] = "track.unpublished"
    id: TrackId


@dataclass(frozen=True, kw_only=True)
class ChatPosted:
    name: ClassVar[str] = "chat.posted"
    message: Message


@dataclass(frozen=True, kw_only=True)
class RecordingStarted:
    """A recording runs from now on. Everybody is asked anew: earlier answers are void."""

    name: ClassVar[str] = "recording.started"
    recording: Recording


@dataclass(frozen=True, kw_only=True)
class RecordingStopped:
    """A moderator ended it; what it holds is complete."""

    name: ClassVar[str] = "recording.stopped"
    id: RecordingId
    by: Identity


@dataclass(frozen=True, kw_only=True)
class RecordingFailed:
    """It ended by itself; what was written until then plays.

    Attributes:
        reason: ``disk_full``, ``recorder_failed`` or ``node_lost``.
    """

    name: ClassVar[str] = "recording.failed"
    id: RecordingId
    reason: str


@dataclass(frozen=True, kw_only=True)
class RecordingAnswered:
    """A person allowed that they are recorded, or did not (any more)."""

    name: ClassVar[str] = "recording.answered"
    identity: Identity
    given: bool


Event = (
    RoomUpdated
    | ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | HandRaised
    | HandLowered
    | FloorGiven
    | FloorTaken
    | RoleChanged
    | StageChanged
    | TrackPublished
    | TrackUpdated
    | TrackUnpublished
    | ChatPosted
    | RecordingStarted
    | RecordingStopped
    | RecordingFailed
    | RecordingAnswered
)

EVENTS: dict[str, type[Event]] = {
    cls.name: cls
    for cls in (
        RoomUpdated,
        ParticipantJoined,
        ParticipantUpdated,
        ParticipantLeft,
        HandRaised,
        HandLowered,
        FloorGiven,
        FloorTaken,
        RoleChanged,
        StageChanged,
        TrackPublished,
        TrackUpdated,
        TrackUnpublished,
        ChatPosted,
        RecordingStarted,
        RecordingStopped,
        RecordingFailed,
        RecordingAnswered,
    )
}


def apply(live: Live, event: Event) -> Live:
    """Return the room after ``event``. An event about an absent person or track changes nothing."""
    match event:
        case RoomUpdated(room=room):
            return replace(live, room=room)
        case ParticipantJoined(participant=person) | ParticipantUpdated(participant=person):
            return replace(live, participants={**live.participants, person.identity: person})
        case ParticipantLeft(identity=identity):
            return replace(
                live,
                participants={k: v for k, v in live.participants.items() if k != identity},
                tracks={k: v for k, v in live.tracks.items() if v.identity != identity},
                stage=None if live.stage == identity else live.stage,
            )
        case HandRaised(identity=identity, at_ms=at_ms):
            return _person(live, identity, hand_ms=at_ms)
        case HandLowered(identity=identity):
            return _person(live, identity, hand_ms=None)
        case FloorGiven(identity=identity):
            return _person(live, identity, floor=True, hand_ms=None)
        case FloorTaken(identity=identity):
            return _person(live, identity, floor=False)
        case RoleChanged(identity=identity, role=role):
            return _person(live, identity, role=role)
        case StageChanged(identity=identity):
            return replace(live, stage=identity)
        case TrackPublished(track=track) | TrackUpdated(track=track):
            if track.identity not in live.participants:
                return live
            return replace(live, tracks={**live.tracks, track.id: track})
        case TrackUnpublished(id=track_id):
            return replace(live, tracks={k: v for k, v in live.tracks.items() if k != track_id})
        case ChatPosted(message=message):
            return _chat(live, message)
        case RecordingStarted(recording=recording):
            unasked = {
                k: replace(person, recording_consent=None)
                for k, person in live.participants.items()
            }
            return replace(live, recording=recording, participants=unasked)
        case RecordingStopped(id=recording_id) | RecordingFailed(id=recording_id):
            if live.recording is None or live.recording.id != recording_id:
                return live
            return replace(live, recording=None)
        case RecordingAnswered(identity=identity, given=given):
            return _person(live, identity, recording_consent=given)


def _person(live: Live, identity: Identity, **changes: Any) -> Live:
    person = live.participants.get(identity)
    if person is None:
        return live
    return replace(live, participants={**live.participants, identity: replace(person, **changes)})


def _chat(live: Live, message: Message) -> Live:
    """Insert by number (the tail is a window on SQL, so repeats and disorder are harmless)."""
    others = [m for m in live.messages if m.number != message.number]
    ordered = sorted([*others, message], key=lambda m: m.number)
    return replace(live, messages=tuple(ordered[-CHAT_TAIL:]))
