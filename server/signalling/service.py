"""Signalling as one service: started after the real-time core, stopped before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rooms.ids import RoomId, TrackId
from server.config import Settings
from server.realtime.records import TrackRecord
from server.realtime.scope import Scope
from server.realtime.service import Realtime
from server.signalling.connections import Connections
from server.signalling.encoders import Encoders
from server.signalling.media_link import MediaLink
from server.signalling.nursery import Nursery
from server.signalling.peers import Peers
from server.signalling.placement import ROOM_LOAD
from server.signalling.players import Players
from server.signalling.relays import Relays
from server.signalling.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Signalling:
    """What the rest of the server asks of signalling.

    Attributes:
        peers: the media commands (``rooms.ports.MediaCommands``).
        encoders, players: WHIP and WHEP.
        relays: links between workers.
        workers: the media workers.
        connections: how sessions are connected.
    """

    workers: Workers
    peers: Peers
    relays: Relays
    encoders: Encoders
    players: Players
    connections: Connections

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        settings: Settings,
        realtime: Realtime,
        nursery: Nursery | None = None,
        *,
        room_load: int = ROOM_LOAD,
    ) -> AsyncIterator[Signalling]:
        """Run media workers and everything that steers them for the length of the block.

        Args:
            nursery: of the workers, if it has begun already; ended with them.
            room_load: how much of one room a worker takes, see ``placement``.

        Raises:
            MediaPortTakenError: the media port is taken; ``exit_code`` is 3.
            WorkerStartError: the worker did not come up.
        """
        workers = Workers(settings, nursery or Nursery(), room_load=room_load)
        scope = Scope()

        def find_record(room: RoomId, track: TrackId) -> TrackRecord | None:
            mirror = realtime.mirrors.get(room)
            return mirror.records.get(track) if mirror is not None else None

        def announce(link: MediaLink) -> None:
            if link.index == 0 and link.info is not None:
                realtime.nodes.announce(
                    media_address=link.info.addresses[0], media_port=link.info.port
                )

        workers.on_up.append(announce)
        relays = Relays(realtime.nodes, workers.links, settings.media_host, find_record, scope)
        workers.on_up.append(lambda _: relays.wake())
        workers.on_down.append(lambda _: relays.wake())
        peers = Peers(realtime, workers, relays, scope)
        encoders = Encoders(realtime, peers)
        players = Players(realtime, workers, relays, scope)
        peers.connections = Connections(realtime.nodes.me.id, peers, players)
        async with workers.running():
            try:
                yield cls(
                    workers=workers,
                    peers=peers,
                    relays=relays,
                    encoders=encoders,
                    players=players,
                    connections=peers.connections,
                )
            finally:
                await relays.close()
                await scope.close()
