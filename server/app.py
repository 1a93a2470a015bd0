"""Composition root: starts the services in order, builds the application on them, serves it.

Order: embedded Valkey (unless a URL is given), SQL, real-time core, media and
signalling, HTTP and Socket.IO; stopped the other way round. No logic of theirs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import structlog
from aiohttp import web
from prometheus_client.metrics_core import Metric

from server import keys
from server.config import Settings
from server.http import application, patience
from server.http.media_metrics import families
from server.realtime import sio
from server.realtime.link import RedisUnreachable
from server.realtime.service import Realtime
from server.recording.recordings import Recordings
from server.signalling.nursery import Nursery
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


async def serve(settings: Settings, nursery: Nursery) -> None:
    """Run the node until SIGTERM or SIGINT; a second signal ends it at once.

    Args:
        nursery: of the media workers, begun already.

    Raises:
        StartError: it cannot start.
    """
    node = settings.node
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)  # the kernel ends Valkey and the media worker with us
        stopping.set()
        if starting is not None:
            starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        async with running(settings, nursery) as app:
            starting = None
            log.info("open", node=node, url=app[keys.SETTINGS].public_url)
            await stopping.wait()
            log.info("stopping", node=node)
    except asyncio.CancelledError:
        if starting is None or starting.uncancel() > 0:
            raise
    log.info("stopped", node=node)


@asynccontextmanager
async def running(
    settings: Settings, nursery: Nursery | None = None
) -> AsyncIterator[web.Application]:
    """Run the node for the length of the block.

    At its end people are sent to other nodes first; then HTTP is closed, then
    the services.

    Args:
        nursery: of the media workers, if it has begun already.

    Raises:
        StartError: something the node needs is away, or a port is taken.
    """
    with _listen(settings) as listener:
        if settings.port == 0:
            settings = with_port(settings, listener.getsockname()[1])
        async with _services(settings, nursery) as app:
            runner = web.AppRunner(
                app,
                access_log=None,
                keepalive_timeout=KEEPALIVE_S,
                auto_decompress=False,  # a compressed body could grow without bound
                shutdown_timeout=STOP_TIMEOUT_S,
            )
            gate = sio.attach(
                app,
                settings,
                app[keys.REALTIME],
                app[keys.SIGNALLING].peers,
                app[keys.RECORDINGS],
            )
            try:
                async with gate as sockets:
                    app[keys.METRICS].watch(
                        "yunhai_sockets", "Socket.IO clients on this node.", lambda: len(sockets)
                    )
                    await runner.setup()
                    assert runner.server is not None
                    site = web.SockSite(runner, listener)
                    await site.start()
                    watching = asyncio.create_task(patience.watch(runner.server), name="patience")
                    try:
                        yield app
                    finally:
                        app[keys.READINESS].draining = True
                        await site.stop()
                        watching.cancel()
                        await asyncio.gather(watching, return_exceptions=True)
            finally:
                await runner.cleanup()


@asynccontextmanager
async def _services(settings: Settings, nursery: Nursery | None) -> AsyncIterator[web.Application]:
    """Start what the application stands on, in order; build it."""
    async with AsyncExitStack() as stack:
        app = application.build(settings)
        watch = app[keys.METRICS].watch
        try:
            redis_url = settings.redis_url
            if redis_url is None:
                valkey = await stack.enter_async_context(EmbeddedValkey.start(settings.data_dir))
                redis_url = valkey.url
                watch(
                    "yunhai_valkey_restarts",
                    "How often the embedded Valkey died.",
                    lambda: valkey.restarts,
                )
            store = await stack.enter_async_context(Store.open(settings.database_url))
            realtime = await stack.enter_async_context(
                Realtime.start(settings, store, redis_url=redis_url)
            )
            signalling = await stack.enter_async_context(
                Signalling.start(settings, realtime, nursery)
            )
            recordings = await stack.enter_async_context(
                Recordings.start(settings, realtime, store, signalling.workers, signalling.relays)
            )
        except (ValkeyError, RedisUnreachable, StoreUnavailable) as error:
            raise StartError(str(error), EXIT_DEPENDENCY) from error
        except WorkerStartError as error:
            raise StartError(str(error), error.exit_code) from error
        app[keys.STORE] = store
        app[keys.REALTIME] = realtime
        app[keys.SIGNALLING] = signalling
        app[keys.RECORDINGS] = recordings

        async def media_figures() -> Iterable[Metric]:
            return families(await signalling.workers.figures())

        app[keys.METRICS].ask(media_figures)
        readiness = app[keys.READINESS]
        readiness.require("sql", store.check)
        readiness.require("redis", realtime.link.check)
        readiness.require("media", signalling.workers.check)
        watch(
            "yunhai_sessions", "People's windows and encoders here.", lambda: len(realtime.sessions)
        )
        watch("yunhai_recordings", "Recordings this node writes now.", lambda: len(recordings))
        watch("yunhai_redis_up", "1 while Redis answers.", lambda: realtime.link.up)
        yield app


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
