"""Commands, client to server, imperative. Decoded and bounded at the border, acked with a result.

Every Socket.IO message is ``emit(name, {"id": <client-made id>, "data": {...}}, ack)``.
The ack is ``{"ok": result}`` or ``{"error": {"code", "message", "retry_after_s"?}}``.
A repeated ``id`` within five minutes gets the first answer again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from rooms.ids import Identity, RoomId, SessionId, TrackId
from rooms.live import RecordingScope, Role, Source

MAX_CHAT = 2_000
"""Characters in one chat message."""


@dataclass(frozen=True)
class MaxLength:
    """Bound on a string's or list's length, read by the decoder at the border."""

    value: int


ShortText = Annotated[str, MaxLength(128)]
Sdp = Annotated[str, MaxLength(65_536)]


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Where the client stopped: its session and the last event it applied."""

    session: SessionId
    epoch: ShortText
    seq: int


@dataclass(frozen=True, kw_only=True)
class RoomJoin:
    """Enter ``room`` (or resume). Result: rooms.live.Snapshot."""

    name: ClassVar[str] = "room.join"
    room: RoomId
    protocol: int = 1
    resume: Resume | None = None


@dataclass(frozen=True, kw_only=True)
class RoomLeave:
    """Leave for good: gone from the roster at once. Result: {}."""

    name: ClassVar[str] = "room.leave"


@dataclass(frozen=True, kw_only=True)
class EventsAfter:
    """Ask for what a gap missed. Result: {"missed": [Envelope]} or error ``conflict``: join anew."""

    name: ClassVar[str] = "events.after"
    epoch: ShortText
    seq: int


@dataclass(frozen=True, kw_only=True)
class ChatSend:
    """Result: {"message": Message}. ``seq`` of the event follows on the topic."""

    name: ClassVar[str] = "chat.send"
    text: Annotated[str, MaxLength(MAX_CHAT)]


@dataclass(frozen=True, kw_only=True)
class ChatHistory:
    """Page backwards. Result: {"messages": [Message], "more": bool}, oldest first."""

    name: ClassVar[str] = "chat.history"
    before: int
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class HandRaise:
    name: ClassVar[str] = "hand.raise"


@dataclass(frozen=True, kw_only=True)
class HandLower:
    """Own hand, or (moderator) that of ``identity``."""

    name: ClassVar[str] = "hand.lower"
    identity: Identity | None = None


@dataclass(frozen=True, kw_only=True)
class FloorGive:
    name: ClassVar[str] = "floor.give"
    identity: Identity


@dataclass(frozen=True, kw_only=True)
class FloorTake:
    name: ClassVar[str] = "floor.take"
    identity: Identity


@dataclass(frozen=True, kw_only=True)
class StageSet:
    """Put a person on stage, or None to clear it."""

    name: ClassVar[str] = "stage.set"
    identity: Identity | None


@dataclass(frozen=True, kw_only=True)
class RoleSet:
    name: ClassVar[str] = "role.set"
    identity: Identity
    role: Role


@dataclass(frozen=True, kw_only=True)
class ParticipantRemove:
    """Remove a person; their token no longer opens this room."""

    name: ClassVar[str] = "participant.remove"
    identity: Identity


@dataclass(frozen=True, kw_only=True)
class TrackMute:
    """Own track: say whether it is muted (unmuting lifts a moderator's mute)."""

    name: ClassVar[str] = "track.mute"
    track: TrackId
    muted: bool


@dataclass(frozen=True, kw_only=True)
class TrackForceMute:
    """Moderator: mute somebody's track; the owner may unmute it again."""

    name: ClassVar[str] = "track.force_mute"
    track: TrackId


@dataclass(frozen=True, kw_only=True)
class OfferedTrack:
    """Which m-line carries what."""

    mid: Annotated[str, MaxLength(32)]
    source: Source
    muted: bool = False


@dataclass(frozen=True, kw_only=True)
class MediaPublish:
    """Offer what this session sends, first time, again, or with an ICE restart.

    ``tracks`` names every m-line that sends; one no longer named is unpublished.
    Result: {"sdp": answer, "tracks": [Track]}.
    """

    name: ClassVar[str] = "media.publish"
    sdp: Sdp
    tracks: Annotated[list[OfferedTrack], MaxLength(8)]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A video the page shows, and its size in device pixels."""

    track: TrackId
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class MediaView:
    """Say what this session wants to receive; the whole wish each time.

    Audio of everybody else comes when ``audio``; video only for ``tiles``.
    The server answers {} and follows with a ``media.offer`` signal when the
    connection must change.
    """

    name: ClassVar[str] = "media.view"
    audio: bool = True
    tiles: Annotated[list[Tile], MaxLength(64)] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class MediaAnswer:
    """Answer the ``media.offer`` of that generation; an older one is ignored. Result: {}."""

    name: ClassVar[str] = "media.answer"
    generation: int
    sdp: Sdp


@dataclass(frozen=True, kw_only=True)
class MediaRestart:
    """Ask for a fresh ``media.offer``: with new ICE credentials, or (``anew``) a new connection."""

    name: ClassVar[str] = "media.restart"
    anew: bool = False


@dataclass(frozen=True, kw_only=True)
class MediaStats:
    """Ask how one is connected, as the server sees it. Result: {"connection": ConnectionStats}."""

    name: ClassVar[str] = "media.stats"


@dataclass(frozen=True, kw_only=True)
class RecordingStart:
    """Moderator: record the room from now on. Error ``conflict`` while one runs."""

    name: ClassVar[str] = "recording.start"
    scope: RecordingScope


@dataclass(frozen=True, kw_only=True)
class RecordingStop:
    """Moderator: end the recording that runs. Without one, nothing happens."""

    name: ClassVar[str] = "recording.stop"


@dataclass(frozen=True, kw_only=True)
class RecordingConsent:
    """Say whether one may be recorded; it can be said again at any time."""

    name: ClassVar[str] = "recording.consent"
    given: bool


Command = (
    RoomJoin
    | RoomLeave
    | EventsAfter
    | ChatSend
    | ChatHistory
    | HandRaise
    | HandLower
    | FloorGive
    | FloorTake
    | StageSet
    | RoleSet
    | ParticipantRemove
    | TrackMute
    | TrackForceMute
    | MediaPublish
    | MediaView
    | MediaAnswer
    | MediaRestart
    | MediaStats
    | RecordingStart
    | RecordingStop
    | RecordingConsent
)

COMMANDS: dict[str, type[Command]] = {
    cls.name: cls
    for cls in (
        RoomJoin,
        RoomLeave,
        EventsAfter,
        ChatSend,
        ChatHistory,
        HandRaise,
        HandLower,
        FloorGive,
        FloorTake,
        StageSet,
        RoleSet,
        ParticipantRemove,
        TrackMute,
        TrackForceMute,
        MediaPublish,
        MediaView,
        MediaAnswer,
        MediaRestart,
        MediaStats,
        RecordingStart,
        RecordingStop,
        RecordingConsent,
    )
}
