"""Records that live in Redis and that nodes, not clients, read."""

from __future__ import annotations

from dataclasses import dataclass

from media.rpc import TrackInfo
from rooms.ids import Identity, NodeId, SessionId
from rooms.live import Track


@dataclass(frozen=True, kw_only=True)
class TrackRecord:
    """A published track with where its media is.

    ``track`` is what people see; the rest is the private part of the event
    ``track.published``, which nodes keep from clients.

    Attributes:
        worker: index of the media worker on ``node``.
        recordable: it comes from an encoder whose token says so (``tokens.Grant``).
    """

    track: Track
    session: SessionId
    node: NodeId
    worker: int
    info: TrackInfo
    recordable: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """An open session, as Redis keeps it. ``kind``: ``sessions.SessionKind``."""

    identity: Identity
    node: NodeId
    kind: str


@dataclass(frozen=True, kw_only=True)
class NodeRecord:
    """A living server process, as the others see it.

    Attributes:
        url: public base URL for clients.
        media_address, media_port: of its first media worker.
        fence: rises with every lease; a write with an older one is refused.
    """

    id: NodeId
    url: str
    media_address: str
    media_port: int
    fence: int
