"""The real-time core as one service: started before signalling, stopped after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rooms.ports import Stores
from server.config import Settings
from server.realtime.bus import Bus
from server.realtime.link import RedisLink
from server.realtime.live import LiveRooms
from server.realtime.mirrors import Mirrors
from server.realtime.nodes import Nodes
from server.realtime.presence import Presence
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
        raise NotImplementedError
        yield
