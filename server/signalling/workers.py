"""The node's media workers: their processes, and which of them carries which peer.

As many run as are of use, and one more, so that neither a room nor one that grows
must wait for a start. What was lost with a worker is made good by whoever had it
there, in ``on_up`` and ``on_down``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from media.framing import RpcError
from media.statistics import WorkerStats
from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from server.config import Settings
from server.signalling.media_link import AWAY_RETRY_S, MediaLink
from server.signalling.nursery import Nursery
from server.signalling.placement import ROOM_LOAD, Placement
from server.signalling.worker import MediaPortTakenError, MediaWorker

CHECK_TIMEOUT_S = 1.5

log = structlog.get_logger("media")


@dataclass(frozen=True)
class WorkerFigures:
    """One worker for those who watch the node.

    Attributes:
        restarts: how often its process died.
        load: its peers and the tracks on their way to them.
        stats: as the worker answers ``stats``; None: it does not answer now.
    """

    index: int
    restarts: int
    load: int
    stats: WorkerStats | None


class Workers:
    """Owner: Signalling. Lifetime: ``running``.

    Attributes:
        links: to each worker by index, whether it runs or not.
        processes: likewise.
        on_up, on_down: called with the link of a worker that came up, or that is gone
            with everything it held.

    Args:
        nursery: where the workers come from; closed at the end.
        room_load: how much of one room a worker takes, see ``placement``.
    """

    def __init__(self, settings: Settings, nursery: Nursery, *, room_load: int = ROOM_LOAD) -> None:
        self._settings = settings
        self._placement = Placement(room_load)
        self.on_up: list[Callable[[MediaLink], None]] = []
        self.on_down: list[Callable[[MediaLink], None]] = []
        self._nursery = nursery
        self.links = tuple(MediaLink(index) for index in range(settings.media_workers))
        self.processes = tuple(self._process(link) for link in self.links)

    def _process(self, link: MediaLink) -> MediaWorker:
        def tell(whom: list[Callable[[MediaLink], None]]) -> None:
            for call in whom:
                call(link)

        return MediaWorker(
            self._settings,
            link,
            self._nursery,
            on_up=lambda: tell(self.on_up),
            on_down=lambda: tell(self.on_down),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run workers for the length of the block: one at first.

        Raises:
            MediaPortTakenError: one of their ports is taken.
            WorkerStartError: the first one did not come up.
        """
        try:
            self._require_ports()
            await self.processes[0].start()
            yield
        finally:
            await asyncio.gather(*(process.end() for process in self.processes))
            await self._nursery.close()

    def place(self, peer: str, room: RoomId) -> MediaLink:
        """Give the worker that carries a peer, chosen at the first call; it may be starting again.

        The peer stays there until ``leave``, unless that worker cannot be started any more.
        """
        lost = [link.index for link in self.links if link.lost]
        usable = [link.index for link in self.links if link.up]
        begun = [p.index for p in self.processes if p.begun and p.index not in lost]
        index = self._placement.place(peer, room, usable or begun or [0], lost)
        self._grow()
        return self.links[index]

    def weigh(self, peer: str, tracks: int) -> None:
        """Note how many tracks go to a peer now."""
        self._placement.weigh(peer, 1 + tracks)

    def leave(self, peer: str) -> None:
        """Forget a peer that has ended for good."""
        self._placement.leave(peer)

    async def figures(self) -> list[WorkerFigures]:
        """Tell of every worker that has begun what it carries and, if it answers, counts."""
        begun = [process for process in self.processes if process.begun]
        stats = await asyncio.gather(*(self._stats(process.index) for process in begun))
        return [
            WorkerFigures(p.index, p.restarts, self._placement.loads[p.index], counted)
            for p, counted in zip(begun, stats, strict=True)
        ]

    async def _stats(self, index: int) -> WorkerStats | None:
        try:
            return await self.links[index].stats()
        except RpcError:
            return None

    async def check(self) -> None:
        """Await a sign of life of any worker: one that has died is back in a moment.

        Raises:
            RoomError: UNAVAILABLE.
        """
        pings = [link.ping(CHECK_TIMEOUT_S) for link in self.links if link.up]
        answers = await asyncio.gather(*pings, return_exceptions=True)
        if all(answers):
            raise RoomError(
                Code.UNAVAILABLE, "The media worker is starting again.", retry_after_s=AWAY_RETRY_S
            )

    def _grow(self) -> None:
        """Have a spare one begin when all that run have something to do."""
        rest = [process for process in self.processes if not process.begun]
        busy = all(
            self._placement.loads[process.index]
            for process in self.processes
            if process.begun and not self.links[process.index].lost
        )
        if rest and busy:
            log.info("another media worker begins", worker=rest[0].index)
            rest[0].begin()

    def _require_ports(self) -> None:
        """Say now, not when it is needed, that the port of a worker yet to begin is taken."""
        host, first = self._settings.media_host, self._settings.media_port
        # ``::`` is both families, each on a socket of its own; where there is no IPv6, one.
        probed = "0.0.0.0" if host == "::" else host  # noqa: S104
        family = socket.AF_INET6 if ":" in probed else socket.AF_INET
        kinds = {socket.SOCK_DGRAM: "UDP"}
        if self._settings.media_tcp:
            kinds[socket.SOCK_STREAM] = "TCP"
        for port in range(first + 1, first + len(self.links)) if first else ():
            for kind, name in kinds.items():
                with socket.socket(family, kind) as probe:
                    if kind is socket.SOCK_STREAM:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        probe.bind((probed, port))
                    except OSError as error:
                        raise MediaPortTakenError(
                            f"cannot bind {name} port {port} on {host}: {error.strerror}: free it, "
                            "or set YUNHAI_MEDIA_PORT or YUNHAI_MEDIA_WORKERS"
                        ) from None
