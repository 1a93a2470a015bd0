"""The way to Redis: one client, our scripts, and a breaker that answers at once while it is away."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from rooms.errors import Code, RoomError
from server.realtime.timings import Timings

log = structlog.get_logger(__name__)

_LUA = Path(__file__).with_name("lua")


class FencedError(RoomError):
    """This node's lease is not the newest: it must take a new one before it may write."""

    def __init__(self) -> None:
        super().__init__(
            Code.UNAVAILABLE, "This server is rejoining its group; try again.", retry_after_s=1.0
        )


class RedisUnreachable(Exception):  # noqa: N818 - reads as a sentence at start
    """Redis did not answer at start; the message names the address without its password."""


@cache
def script(name: str) -> str:
    """Read a script with the functions all of them share in front."""
    return (_LUA / "room.lua").read_text() + (_LUA / f"{name}.lua").read_text()


class RedisLink:
    """Owner: Realtime. Every script is safe to repeat, so a lost connection is tried once more.

    Attributes:
        prefix: in front of every key and channel.
        up: False from a failed call until a successful one.
    """

    def __init__(self, url: str, prefix: str, timings: Timings) -> None:
        self.url = url
        self.prefix = prefix
        self.up = True
        self.timings = timings
        self.redis: Redis = Redis.from_url(
            url,
            socket_timeout=timings.redis,
            socket_connect_timeout=timings.redis,
            health_check_interval=5,
            retry=Retry(NoBackoff(), 0),
            max_connections=64,
        )
        self._closed_until = 0.0
        self._shas: dict[str, str] = {}

    async def check(self) -> None:
        """Ask for a sign of life and a version we can work with.

        Raises:
            RedisUnreachable: saying what to look at.
        """
        try:
            async with asyncio.timeout(self.timings.redis * 5):
                info = await self.redis.info("server")
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnreachable(
                f"cannot reach Redis at {masked(self.url)}: {error or type(error).__name__}; "
                "is it running, and is YUNHAI_REDIS_URL right?"
            ) from None
        version = str(info.get("redis_version", "0"))
        if int(version.split(".")[0]) < 7:
            raise RedisUnreachable(
                f"Redis at {masked(self.url)} is version {version}; 7 or newer is needed"
            )

    async def run(self, name: str, *arguments: str | int | bytes) -> Any:
        """Run ``lua/<name>.lua`` for a client: fails within about a second, or at once.

        Raises:
            RoomError: UNAVAILABLE; FencedError among them.
        """
        wait = self._closed_until - time.monotonic()
        if wait > 0:
            raise self._away(wait)
        return await self.insist(name, *arguments)

    async def insist(self, name: str, *arguments: str | int | bytes) -> Any:
        """Run a script even while the breaker is open (renewals, which find out that it is back)."""
        try:
            async with asyncio.timeout(self.timings.redis):
                try:
                    answer = await self._evaluate(name, arguments)
                except RedisConnectionError:
                    # A pooled connection may be older than a restart of Redis.
                    answer = await self._evaluate(name, arguments)
        except ResponseError as error:
            if "FENCED" in str(error):
                raise FencedError from None
            if "LOADING" in str(error) or "READONLY" in str(error) or "OOM" in str(error):
                raise self._failed(error) from None
            raise
        except (RedisError, OSError, TimeoutError) as error:
            raise self._failed(error) from None
        if not self.up:
            self.up = True
            log.info("redis_back", url=masked(self.url))
        self._closed_until = 0.0
        return answer

    async def _evaluate(self, name: str, arguments: tuple[str | int | bytes, ...]) -> Any:
        sha = self._shas.get(name)
        try:
            if sha is None:
                sha = self._shas[name] = await self.redis.script_load(script(name))
            return await self.redis.evalsha(sha, 0, self.prefix, *arguments)
        except NoScriptError:
            del self._shas[name]
            self._shas[name] = sha = await self.redis.script_load(script(name))
            return await self.redis.evalsha(sha, 0, self.prefix, *arguments)

    def _failed(self, error: Exception) -> RoomError:
        self._closed_until = time.monotonic() + self.timings.pause
        if self.up:
            self.up = False
            log.warning(
                "redis_away", url=masked(self.url), error=str(error) or type(error).__name__
            )
        return self._away(self.timings.pause)

    @staticmethod
    def _away(wait: float) -> RoomError:
        return RoomError(
            Code.UNAVAILABLE,
            "The rooms cannot be changed at this moment; try again.",
            retry_after_s=round(max(wait, 0.1), 1),
        )

    async def close(self) -> None:
        await self.redis.aclose()


def masked(url: str) -> str:
    """Write a URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
