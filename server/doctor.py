"""``python -m server doctor``: is everything there that a node needs? One line each, with the
cause and the next step where not. Starts no node and changes nothing but what a start would.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server import config
from server.config import Settings, SettingsError, masked
from server.http.pages import NotBuiltError, Pages
from server.store import Store
from server.valkey import EmbeddedValkey

MIN_PYTHON = (3, 11)
CLOCK_SLACK_S = 5.0
REDIS_TIMEOUT_S = 3.0

Check = Callable[[Settings], Awaitable[str]]
"""Returns what was found; raises Ailment, or anything else, when it is not well."""


class Ailment(Exception):  # noqa: N818 - what a doctor finds
    """A cause; ``remedy`` is the next step."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.remedy = remedy


async def examine(environ: Mapping[str, str]) -> int:
    """Print one line for each check; return the exit code."""
    well = _line("python", *_python())
    try:
        settings = config.load(environ)
    except SettingsError as error:
        for problem in error.problems:
            _line("settings", False, problem, "correct it; see: python -m server settings")
        return 1
    well &= _line("settings", True, f"node {settings.node}, {settings.public_url}")
    for name, check in CHECKS.items():
        try:
            well &= _line(name, True, await check(settings))
        except Ailment as ailment:
            well &= _line(name, False, str(ailment), ailment.remedy)
        except Exception as error:
            well &= _line(name, False, str(error) or type(error).__name__)
    return 0 if well else 1


def _line(name: str, well: bool, found: str, remedy: str = "") -> bool:
    print(f"{'ok  ' if well else 'FAIL'}  {name:<10} {found}")
    if remedy:
        print(f"      {'':<10} → {remedy}")
    return well


def _python() -> tuple[bool, str, str]:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < MIN_PYTHON:
        return False, f"Python {found}", "install Python 3.11 or newer and run make again"
    return True, f"Python {found} on {sys.platform}", ""


async def _data_dir(settings: Settings) -> str:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir) as probe:
            probe.write(b"\0" * 4096)
    except OSError as error:
        raise Ailment(
            f"{settings.data_dir}: {error.strerror}", "make it writable, or set YUNHAI_DATA_DIR"
        ) from None
    free = os.statvfs(settings.data_dir)
    return f"{settings.data_dir} is writable, {free.f_bavail * free.f_frsize >> 20} MiB free"


async def _sql(settings: Settings) -> str:
    async with Store.open(settings.database_url) as store:
        await store.check()
    return f"{masked(settings.database_url)} answers"


@asynccontextmanager
async def _redis_client(settings: Settings) -> AsyncIterator[Redis]:
    if settings.redis_url is not None:
        client = Redis.from_url(
            settings.redis_url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )
        try:
            yield client
        finally:
            await client.aclose()
        return
    # A folder of its own: the data folder's may be in use by a running node.
    with tempfile.TemporaryDirectory(prefix="yunhai-") as folder:
        async with EmbeddedValkey.start(Path(folder)) as valkey:
            client = Redis.from_url(valkey.url)
            try:
                yield client
            finally:
                await client.aclose()


async def _redis(settings: Settings) -> str:
    where = "the embedded Valkey" if settings.redis_url is None else masked(settings.redis_url)
    try:
        async with _redis_client(settings) as client:
            info = await client.info("server")
    except (RedisError, OSError) as error:
        raise Ailment(
            f"{where}: {error}", "start it, or correct YUNHAI_REDIS_URL (unset: embedded)"
        ) from None
    if int(str(info["redis_version"]).split(".")[0]) < 7:
        raise Ailment(
            f"{where} is version {info['redis_version']}", "use Redis 7 or Valkey, or newer"
        )
    valkey = info.get("valkey_version")
    return f"{where} answers, " + (
        f"Valkey {valkey}" if valkey else f"Redis {info['redis_version']}"
    )


async def _clock(settings: Settings) -> str:
    """Compare with the database-independent witness there is: Redis, when it is another machine."""
    now = datetime.now(UTC)
    if now.year < 2026:
        raise Ailment(f"this machine believes it is {now:%Y-%m-%d}", "set the clock (NTP)")
    if settings.redis_url is None:
        return f"{now:%Y-%m-%d %H:%M:%S} UTC"
    try:
        async with _redis_client(settings) as client:
            seconds, micros = await client.time()
            off_s = time.time() - (seconds + micros / 1e6)
    except (RedisError, OSError):
        return f"{now:%Y-%m-%d %H:%M:%S} UTC (not compared: Redis is away)"
    if abs(off_s) > CLOCK_SLACK_S:
        raise Ailment(
            f"this machine's clock is {off_s:+.1f} s from Redis's", "set both by NTP: tokens expire"
        )
    return f"{now:%Y-%m-%d %H:%M:%S} UTC, {off_s:+.2f} s from Redis's"


async def _http_port(settings: Settings) -> str:
    _try_port(settings.host, settings.port, socket.SOCK_STREAM, "TCP", "YUNHAI_PORT")
    return f"TCP {settings.port} on {settings.host} is free"


async def _media_port(settings: Settings) -> str:
    host, first, workers = settings.media_host, settings.media_port, settings.media_workers
    for port in range(first, first + workers) if first else (0,):
        variable = "YUNHAI_MEDIA_PORT" if port == first else "YUNHAI_MEDIA_WORKERS"
        _try_port(host, port, socket.SOCK_DGRAM, "UDP", variable)
        if settings.media_tcp:
            _try_port(host, port, socket.SOCK_STREAM, "TCP", variable)
    told = ", ".join(settings.media_addresses)
    ports = f"{first} to {first + workers - 1}" if first and workers > 1 else str(first)
    plural = settings.media_tcp or workers > 1
    return (
        f"UDP{' and TCP' if settings.media_tcp else ''} {ports} on {host}"
        f" {'are' if plural else 'is'} free for {workers} media worker{'s' * (workers > 1)};"
        f" browsers are told {told}"
    )


def _try_port(host: str, port: int, kind: socket.SocketKind, protocol: str, variable: str) -> None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Ailment(
            f"{protocol} port {port} on {host}: {error.strerror}",
            f"stop what uses it (perhaps this node is running), or set {variable}",
        ) from None


async def _native(settings: Settings) -> str:
    if not settings.native:
        return "packets are written in Python (YUNHAI_NATIVE=0)"
    if shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc"):
        return "there is a C compiler: packets are written by compiled code"
    return "no C compiler (cc): packets are written in Python, at about half the pace"


async def _client(_: Settings) -> str:
    try:
        Pages().asset("room.js")
    except NotBuiltError:
        raise Ailment("the room client is not built", "run: make") from None
    return "the room client is built"


CHECKS: dict[str, Check] = {
    "data": _data_dir,
    "sql": _sql,
    "redis": _redis,
    "clock": _clock,
    "http": _http_port,
    "media": _media_port,
    "native": _native,
    "client": _client,
}
