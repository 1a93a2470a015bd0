"""What is true in a room right now: people, tracks, the stage; and how events change it.

Wire types: every dataclass here crosses the wire as a map with these field
names, in Python, TypeScript (generated) and docs/protocol.md alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rooms.ids import Identity, MessageId, NodeId, RecordingId, RoomId, SessionId, TrackId


class RoomKind(StrEnum):
    LOBBY = "lobby"
    HALL = "hall"
    STAGE = "stage"
    INTERVIEW = "interview"
    DESK = "desk"
    BOOTH = "booth"
    TABLE = "table"


class Role(StrEnum):
    MODERATOR = "moderator"
    SPEAKER = "speaker"
    MEMBER = "member"
    VIEWER = "viewer"


class Source(StrEnum):
    """What a track shows; at most one live track per person and source."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen_audio"


class Kind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


class RecordingScope(StrEnum):
    """What a recording holds: what is on stage, or everybody in files of their own."""

    PROGRAM = "program"
    PARTICIPANTS = "participants"


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room as people see it.

    Attributes:
        names: display name by language tag (``zh``, ``en``, ``ja``); at least one.
        city: city name key (``guangzhou``, ``san-francisco``, ``tokyo``) or "".
        zone: IANA time zone of the room's venue, e.g. ``Asia/Shanghai``.
    """

    id: RoomId
    kind: RoomKind
    names: dict[str, str]
    city: str
    zone: str
    created_ms: int


@dataclass(frozen=True, kw_only=True)
class Participant:
    """One person present in the room, however many tabs they have.

    Attributes:
        hand_ms: when the hand was raised, or None.
        floor: a moderator gave this person the floor (may publish).
        city: where they are, as their token says, or "".
        synthetic: a demo participant, shown as such.
        recording_consent: their answer to the recording that runs (or comes next): None
            until they gave one. Without a yes nothing of them is recorded.
    """

    identity: Identity
    name: str
    role: Role
    city: str
    joined_ms: int
    hand_ms: int | None
    floor: bool
    synthetic: bool
    recording_consent: bool | None


@dataclass(frozen=True, kw_only=True)
class Track:
    """A published track as people see it.

    Attributes:
        muted: the publisher's wish.
        forced: a moderator muted it; media is held back until the owner unmutes.
    """

    id: TrackId
    identity: Identity
    source: Source
    kind: Kind
    codec: str
    muted: bool
    forced: bool


@dataclass(frozen=True, kw_only=True)
class Message:
    """A chat message. ``number`` counts per room from 1 without gaps, in SQL."""

    id: MessageId
    number: int
    identity: Identity
    name: str
    text: str
    sent_ms: int


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording that runs.

    Attributes:
        by: who started it.
        node: where it is written.
    """

    id: RecordingId
    scope: RecordingScope
    by: Identity
    started_ms: int
    node: NodeId


@dataclass(frozen=True, kw_only=True)
class Live:
    """The room's present: the part of the snapshot that events change.

    Attributes:
        recording: the one that runs, or None: then nothing is recorded.
    """

    room: Room
    participants: dict[Identity, Participant]
    tracks: dict[TrackId, Track]
    stage: Identity | None
    recording: Recording | None
    messages: tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class NodeAddress:
    """Where a client may reconnect: a node's id and public base URL."""

    id: NodeId
    url: str


@dataclass(frozen=True, kw_only=True)
class Me:
    """Who the joiner is in this room and what they may do (command names).

    Attributes:
        media: names the session's media connections. Another value than before: they are
            gone, because the session is at another node or its node was started again.
    """

    identity: Identity
    session: SessionId
    media: str
    name: str
    role: Role
    rights: list[str]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The answer to ``room.join``: everything true at ``seq`` of ``epoch``.

    Attributes:
        resumed: True when the session continued and ``missed`` carries every
            event after the client's last ``seq``; then ``live`` is None.
        now_ms: the server's clock, for the client's offset.
    """

    me: Me
    epoch: str
    seq: int
    now_ms: int
    resumed: bool
    live: Live | None
    missed: list[Envelope]
    nodes: list[NodeAddress]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One numbered event on its way to clients: ``name`` and ``data`` are of rooms.events."""

    epoch: str
    seq: int
    name: str
    data: dict[str, object]
