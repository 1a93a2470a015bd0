"""The bus: one Redis subscription per node, for its own channel and the rooms it has people in.

Pub/sub is the hint; whoever listens reads the journal after every (re)connection,
which is what ``confirmed`` is for. A silent connection is tested and replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from rooms.errors import Code, RoomError
from server.realtime.timings import Timings

log = structlog.get_logger(__name__)

Receiver = Callable[[bytes], None]


class Bus:
    """Owner: Realtime.

    Attributes:
        confirmed: called with a channel each time its subscription begins (again).
    """

    def __init__(self, url: str, timings: Timings) -> None:
        self.confirmed: Callable[[str], None] = lambda channel: None
        self._timings = timings
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=timings.redis,
            socket_connect_timeout=timings.redis,
            retry=Retry(NoBackoff(), 0),
        )
        self._receivers: dict[str, Receiver] = {}
        self._live: set[str] = set()
        self._pubsub: PubSub | None = None
        self._changed = asyncio.Event()
        self._up = True

    async def subscribe(self, channel: str, receiver: Receiver) -> None:
        """Hear ``channel`` from now on; returns when the subscription stands.

        Raises:
            RoomError: UNAVAILABLE.
        """
        self._receivers[channel] = receiver
        try:
            async with asyncio.timeout(self._timings.redis):
                if self._pubsub is not None:
                    await self._pubsub.subscribe(channel)
                while channel not in self._live:
                    self._changed.clear()
                    await self._changed.wait()
        except (RedisError, OSError, TimeoutError):
            self._receivers.pop(channel, None)
            raise RoomError(
                Code.UNAVAILABLE,
                "The rooms cannot be reached at this moment; try again.",
                retry_after_s=self._timings.pause,
            ) from None

    async def unsubscribe(self, channel: str) -> None:
        """Hear ``channel`` no more."""
        self._receivers.pop(channel, None)
        self._live.discard(channel)
        if self._pubsub is not None:
            try:
                await self._pubsub.unsubscribe(channel)
            except (RedisError, OSError) as error:
                log.debug("bus_unsubscribe_failed", error=str(error))

    async def run_forever(self) -> None:
        """Stay connected; every channel is subscribed again after a loss."""
        while True:
            pubsub = self._redis.pubsub()
            try:
                sent: set[str] = set()
                while missing := self._receivers.keys() - sent:
                    await pubsub.subscribe(*missing)
                    sent |= missing
                self._pubsub = pubsub
                self._up = True
                await self._read(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                if self._up:
                    self._up = False
                    log.warning("bus_lost", error=str(error) or type(error).__name__)
            finally:
                self._pubsub = None
                self._live.clear()
                await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(self._timings.pause / 4)

    async def _read(self, pubsub: PubSub) -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=self._timings.bus_silence)
            if message is None:
                if asked:
                    raise RedisConnectionError("Redis is silent")
                asked = True
                await pubsub.ping()
                continue
            asked = False
            kind = message["type"]
            if kind == "pong":
                continue
            channel = message["channel"].decode()
            if kind == "subscribe":
                self._live.add(channel)
                self._changed.set()
                self.confirmed(channel)
            elif kind == "message" and (receiver := self._receivers.get(channel)) is not None:
                try:
                    receiver(message["data"])
                except Exception:
                    log.exception("bus_receiver_failed", channel=channel)

    async def close(self) -> None:
        await self._redis.aclose()
