"""The real-time core as one service: started before signalling, stopped after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rooms.errors import RoomError
from rooms.ports import Stores
from server.config import Settings
from server.realtime.bus import Bus
from server.realtime.link import RedisLink, RedisUnreachable, masked
from server.realtime.live import LiveRooms
from server.realtime.mirrors import Mirrors
from server.realtime.nodes import Nodes
from server.realtime.presence import Presence
from server.realtime.records import NodeRecord
from server.realtime.scope import Scope
from server.realtime.timings import Timings


@dataclass(frozen=True, kw_only=True)
class Realtime:
    """What the rest of the server asks of the real-time core.

    Attributes:
        link: to Redis, with ``up`` for readiness.
        live: changes to rooms (rooms.ports.LiveRooms, and tracks).
        mirrors: copies of the rooms that have local sessions.
        sessions: opens, finds and ends sessions.
        nodes: who is alive, and messages between nodes.
    """

    link: RedisLink
    bus: Bus
    mirrors: Mirrors
    live: LiveRooms
    nodes: Nodes
    sessions: Presence
    stores: Stores

    @classmethod
    @asynccontextmanager
    async def start(
        cls, settings: Settings, stores: Stores, *, redis_url: str, timings: Timings | None = None
    ) -> AsyncIterator[Realtime]:
        """Run the core for the length of the block.

        Args:
            redis_url: where Redis is (the embedded one's socket, or YUNHAI_REDIS_URL).

        Raises:
            RedisUnreachable: it does not answer.
        """
        timings = timings or Timings()
        link = RedisLink(redis_url, settings.redis_prefix, timings)
        bus = Bus(redis_url, timings)
        scope = Scope()
        nodes = Nodes(
            link,
            NodeRecord(
                id=settings.node, url=settings.public_url, media_address="", media_port=0, fence=0
            ),
        )
        mirrors = Mirrors(link, bus, stores, scope)
        live = LiveRooms(link, nodes, mirrors)
        sessions = Presence(link, nodes, mirrors, live, stores, scope)
        try:
            await link.check()
            try:
                await sessions.evict_former()
                await nodes.lease()
                scope.keep(bus.run_forever)
                await bus.subscribe(nodes.channel, nodes.receive)
            except RoomError as error:
                raise RedisUnreachable(
                    f"Redis at {masked(redis_url)} went away during the start: {error.message}"
                ) from None
            for work in (
                nodes.handle_forever,
                sessions.keep_node_forever,
                sessions.keep_sessions_forever,
                sessions.sweep_forever,
                live.publish_waiting_forever,
            ):
                scope.keep(work)
            yield cls(
                link=link,
                bus=bus,
                mirrors=mirrors,
                live=live,
                nodes=nodes,
                sessions=sessions,
                stores=stores,
            )
            await sessions.close_all("node_draining")
            await nodes.release()
        finally:
            await scope.close()
            await bus.close()
            await link.close()
