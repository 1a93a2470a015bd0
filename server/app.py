"""Composition root: starts the services in order, builds the application on them, serves it.

Order: embedded Valkey (unless a URL is given), SQL, real-time core, media and
signalling, HTTP and Socket.IO; stopped the other way round. No logic of theirs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import structlog
from aiohttp import web

from server import keys
from server.config import Settings
from server.http import application, patience
from server.realtime import sio
from server.realtime.link import RedisUnreachable
from server.realtime.service import Realtime
from server.signalling.service import Signalling
from server.signalling.worker import WorkerStartError
from server.store import Store, StoreUnavailable
from server.valkey import EmbeddedValkey, ValkeyError

EXIT_FAILED = 1
EXIT_SETTINGS = 2
EXIT_PORT_TAKEN = 3
EXIT_DEPENDENCY = 4
KEEPALIVE_S = 75.0
STOP_TIMEOUT_S = 5.0

log = structlog.get_logger("server")


class StartError(Exception):
    """The node cannot start; one line for the operator and the process's exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[web.Application]:
    """Start every service and build the application on them.

    Raises:
        StartError: something the node needs is away.
    """
    async with AsyncExitStack() as stack:
        app = application.build(settings)
        readiness = app[keys.READINESS]
        try:
            redis_url = settings.redis_url
            if redis_url is None:
                valkey = await stack.enter_async_context(EmbeddedValkey.start(settings.data_dir))
                redis_url = valkey.url
            store = await stack.enter_async_context(Store.open(settings.database_url))
            realtime = await stack.enter_async_context(
                Realtime.start(settings, store, redis_url=redis_url)
            )
            signalling = await stack.enter_async_context(Signalling.start(settings, realtime))
        except (ValkeyError, RedisUnreachable, StoreUnavailable) as error:
            raise StartError(str(error), EXIT_DEPENDENCY) from error
        except WorkerStartError as error:
            raise StartError(str(error), error.exit_code) from error
        app[keys.STORE] = store
        app[keys.REALTIME] = realtime
        app[keys.SIGNALLING] = signalling
        readiness.require("sql", store.check)
        readiness.require("redis", realtime.link.redis.ping)
        readiness.require("media", signalling.check)
        await stack.enter_async_context(sio.attach(app, settings, realtime, signalling.peers))
        yield app


async def serve(settings: Settings) -> None:
    """Run the node until SIGTERM or SIGINT; a second signal ends it at once.

    Raises:
        StartError: it cannot start.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    with _listen(settings) as listener:
        port = listener.getsockname()[1]
        if settings.port == 0:
            settings = with_port(settings, port)
        starting = asyncio.create_task(_run(settings, listener, stopping))
        await starting


async def _run(settings: Settings, listener: socket.socket, stopping: asyncio.Event) -> None:
    async with open_application(settings) as app:
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            auto_decompress=False,  # a compressed body could grow without bound
            shutdown_timeout=STOP_TIMEOUT_S,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            assert runner.server is not None
            watching = asyncio.create_task(patience.watch(runner.server), name="patience")
            log.info("open", node=settings.node, url=settings.public_url)
            await stopping.wait()
            log.info("stopping", node=settings.node)
            app[keys.READINESS].draining = True
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        finally:
            await runner.cleanup()
    log.info("stopped", node=settings.node)


def with_port(settings: Settings, port: int) -> Settings:
    """Fill in the port the kernel chose, in the node's own URL too."""
    old, new = f":{settings.port}", f":{port}"
    url = settings.public_url
    if url.endswith(old):
        url = url.removesuffix(old) + new
    origins = tuple(url if origin == settings.public_url else origin for origin in settings.origins)
    return replace(settings, port=port, public_url=url, origins=origins)


def _listen(settings: Settings) -> socket.socket:
    """Take the HTTP port before anything else is started.

    Raises:
        StartError: it is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        raise StartError(
            f"cannot listen on TCP port {settings.port} of {settings.host}: {error.strerror}; "
            "free it, or set YUNHAI_PORT (or YUNHAI_HOST)",
            EXIT_PORT_TAKEN,
        ) from None
    listener.setblocking(False)
    return listener
