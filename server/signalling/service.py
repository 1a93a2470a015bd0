"""Signalling as one service: started after the real-time core, stopped before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from media.framing import RpcError
from rooms.errors import Code, RoomError
from rooms.ids import RoomId, TrackId
from server.config import Settings
from server.realtime.records import TrackRecord
from server.realtime.scope import Scope
from server.realtime.service import Realtime
from server.signalling.encoders import Encoders
from server.signalling.media_link import AWAY_RETRY_S, MediaLink, room_error
from server.signalling.peers import Peers
from server.signalling.players import Players
from server.signalling.relays import Relays
from server.signalling.worker import MediaWorker, WorkerProcess


@dataclass(frozen=True, kw_only=True)
class Signalling:
    """What the rest of the server asks of signalling.

    Attributes:
        peers: the media commands (``rooms.ports.MediaCommands``).
        encoders, players: WHIP and WHEP.
        relays: links to other nodes.
        worker: the process; its ``pid`` and ``restarts``.
    """

    link: MediaLink
    worker: MediaWorker
    peers: Peers
    relays: Relays
    encoders: Encoders
    players: Players

    @classmethod
    @asynccontextmanager
    async def start(
        cls, settings: Settings, realtime: Realtime, first: WorkerProcess | None = None
    ) -> AsyncIterator[Signalling]:
        """Run a media worker and everything that steers it for the length of the block.

        Args:
            first: the worker's first process, if it has been launched already.

        Raises:
            MediaPortTakenError: the media port is taken; ``exit_code`` is 3.
            WorkerStartError: the worker did not come up.
        """
        link = MediaLink()
        scope = Scope()

        def find_record(room: RoomId, track: TrackId) -> TrackRecord | None:
            mirror = realtime.mirrors.get(room)
            return mirror.records.get(track) if mirror is not None else None

        relays = Relays(realtime.nodes, link, find_record, scope)
        peers = Peers(realtime, link, relays, scope)
        encoders = Encoders(realtime, link, peers)
        players = Players(realtime, link, relays, scope)

        def announce() -> None:
            if link.info is not None:
                realtime.nodes.announce(
                    media_address=link.info.addresses[0], media_port=link.info.port
                )

        def up() -> None:
            announce()
            relays.wake()
            peers.worker_up()

        def down() -> None:
            peers.worker_down()
            players.worker_down()

        worker = MediaWorker(settings, link, on_up=up, on_down=down, first=first)
        async with worker.running():
            announce()
            try:
                yield cls(
                    link=link,
                    worker=worker,
                    peers=peers,
                    relays=relays,
                    encoders=encoders,
                    players=players,
                )
            finally:
                await relays.close()
                await scope.close()

    async def stats(self) -> dict[str, Any]:
        """Ask the worker for its figures.

        Raises:
            RoomError: UNAVAILABLE.
        """
        try:
            return await self.link.stats()
        except RpcError as error:
            raise room_error(error) from error

    async def check(self) -> None:
        """Give a sign of life of the media worker, for readiness.

        Raises:
            RoomError: UNAVAILABLE.
        """
        if not self.link.up:
            raise RoomError(
                Code.UNAVAILABLE, "The media worker is starting again.", retry_after_s=AWAY_RETRY_S
            )
        await self.stats()
