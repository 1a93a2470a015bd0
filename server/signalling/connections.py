"""How sessions are connected: what their media workers say of each, for its person and for support."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from media.framing import RpcError
from media.statistics import DownlinkStats, PublisherStats
from rooms.ids import Identity, NodeId, SessionId
from server.realtime.sessions import Session, SessionKind
from server.signalling.media_link import MediaLink

if TYPE_CHECKING:
    from server.signalling.peers import Peers
    from server.signalling.players import Players

_T = TypeVar("_T")

PEERS_AT_ONCE = 40
"""Peers asked about with one call: some hundred kB at most."""


@dataclass(frozen=True, kw_only=True)
class ConnectionStats:
    """One session's connections.

    Attributes:
        at_ms: when this was read, by the node's clock: rates are differences of two readings.
        workers: those that have its connections, by index on the node.
        publisher: what it sends; None while it sends nothing or its worker does not answer.
        subscriber: what it receives, likewise.
    """

    session: SessionId
    identity: Identity
    kind: SessionKind
    node: NodeId
    at_ms: int
    workers: list[int]
    publisher: PublisherStats | None
    subscriber: DownlinkStats | None


class Connections:
    """Owner: Signalling."""

    def __init__(self, node: NodeId, peers: Peers, players: Players) -> None:
        self._node = node
        self._peers = peers
        self._players = players

    async def of(self, sessions: list[Session]) -> list[ConnectionStats]:
        """Tell of these sessions of this node, in that order."""
        named = {s.id: [*self._peers.media_of(s), *self._players.media_of(s)] for s in sessions}
        by_link: dict[MediaLink, list[str]] = defaultdict(list)
        for link, peer in (each for found in named.values() for each in found):
            by_link[link].append(peer)
        publishers: dict[str, PublisherStats] = {}
        downlinks: dict[str, DownlinkStats] = {}
        for link, peers in by_link.items():
            for first in range(0, len(peers), PEERS_AT_ONCE):
                try:
                    found = await link.peer_stats(peers[first : first + PEERS_AT_ONCE])
                except RpcError:
                    break
                publishers.update(found.publishers)
                downlinks.update(found.downlinks)
        at_ms = time.time_ns() // 1_000_000
        return [
            ConnectionStats(
                session=session.id,
                identity=session.identity,
                kind=session.kind,
                node=self._node,
                at_ms=at_ms,
                workers=sorted({link.index for link, _ in named[session.id]}),
                publisher=_first(publishers, named[session.id]),
                subscriber=_first(downlinks, named[session.id]),
            )
            for session in sessions
        ]


def _first(found: Mapping[str, _T], named: list[tuple[MediaLink, str]]) -> _T | None:
    return next((found[peer] for _, peer in named if peer in found), None)
