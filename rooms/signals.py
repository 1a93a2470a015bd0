"""Signals, server to one session, not numbered: they steer a connection and may be lost with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rooms.ids import Identity, TrackId


@dataclass(frozen=True, kw_only=True)
class ReceivedTrack:
    """Which m-line of the offer carries which track."""

    mid: str
    track: TrackId


@dataclass(frozen=True, kw_only=True)
class MediaOffer:
    """The server's offer of what this session receives. Answer with ``media.answer``.

    Attributes:
        generation: rises with every offer of this session.
        anew: make a new RTCPeerConnection for it.
    """

    name: ClassVar[str] = "media.offer"
    generation: int
    sdp: str
    tracks: list[ReceivedTrack]
    anew: bool


@dataclass(frozen=True, kw_only=True)
class MediaState:
    """What became of a connection or a received track.

    Attributes:
        peer: ``publisher`` or ``subscriber``.
        state: ``connected``, ``failed`` or ``closed``.
    """

    name: ClassVar[str] = "media.state"
    peer: str
    state: str


@dataclass(frozen=True, kw_only=True)
class MediaPaused:
    """Received tracks the server holds back now, with why (``bandwidth``); the whole list."""

    name: ClassVar[str] = "media.paused"
    tracks: list[TrackId]
    reason: str


@dataclass(frozen=True, kw_only=True)
class SpeakerChanged:
    """Who is speaking, loudest first. Ephemeral."""

    name: ClassVar[str] = "speaker.changed"
    identities: list[Identity]


@dataclass(frozen=True, kw_only=True)
class SessionClosed:
    """The server ends this session.

    Attributes:
        reason: ``removed``, ``room_closed``, ``node_draining``, ``replaced``, ``slow``, ``expired``.
        reconnect: whether the client should come back (elsewhere if draining).
    """

    name: ClassVar[str] = "session.closed"
    reason: str
    reconnect: bool


Signal = MediaOffer | MediaState | MediaPaused | SpeakerChanged | SessionClosed

SIGNALS: dict[str, type[Signal]] = {
    cls.name: cls for cls in (MediaOffer, MediaState, MediaPaused, SpeakerChanged, SessionClosed)
}
