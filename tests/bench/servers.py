"""What the servers compared have in common: started on loopback with ports of their own, pinned to a
core, and told by an offer over HTTP to take a stream or to give one; and our own node in its variants.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

import aiohttp

from tests.bench.link import Link
from tests.bench.machine import own_address, pinned
from tests.bench.publisher import Signals
from tests.bench.venue import operator, running_nodes
from tests.services import die_with_parent

HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0
BUILD_TIMEOUT_S = 60.0
TOO_FAST_S = 0.5
"""After 429: our node lets one address make so many connections a minute."""


class RefusedError(ConnectionError):
    """A server said no; the message is what it said."""


class Server(Signals, Protocol):
    """One that runs.

    Attributes:
        pid: of its first process; the others descend from it.
    """

    pid: int


Start = Callable[[Path, int | None], AbstractAsyncContextManager[Server]]
"""Starts a server with a folder for its files and a core to stay on."""


class OfferServer:
    """Takes an offer by POST and answers 201 with its own description, as WHIP and WHEP do.

    Args:
        paths: to publish and to watch, below ``url``; the stream's number is put into them.
    """

    def __init__(
        self,
        name: str,
        pid: int,
        http: aiohttp.ClientSession,
        url: str,
        paths: tuple[str, str],
        headers: Mapping[str, str],
    ) -> None:
        self.name = name
        self.pid = pid
        self._http = http
        self._publish, self._watch = (url + path for path in paths)
        self._headers = {"Content-Type": "application/sdp", **headers}

    async def publish(self, link: Link, stream: int) -> None:
        await self._post(link, self._publish.format(stream))

    async def watch(self, link: Link, stream: int) -> None:
        await self._post(link, self._watch.format(stream))

    async def _post(self, link: Link, url: str) -> None:
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                async with self._http.post(url, data=link.offer(), headers=self._headers) as answer:
                    text = await answer.text()
                if answer.status == 201:
                    break
                if answer.status != 429:
                    raise RefusedError(f"{url} answered {answer.status}: {text}")
                await asyncio.sleep(TOO_FAST_S)
        link.take_answer(text)


def node(name: str, *, native: bool, workers: int = 1) -> Start:
    """A node of ours, a room for each stream."""

    @asynccontextmanager
    async def running(folder: Path, core: int | None) -> AsyncIterator[Server]:
        folder = folder / f"{'native' if native else 'python'}-{workers}"
        folder.mkdir()
        settings = {
            "YUNHAI_MEDIA_HOST": own_address(),
            "YUNHAI_MEDIA_ADDRESSES": own_address(),
            "YUNHAI_MEDIA_WORKERS": str(workers),
            "YUNHAI_NATIVE": str(int(native)),
        }
        token = operator(folder)
        with running_nodes(folder, ("bench",), core, **settings) as (started,):
            async with aiohttp.ClientSession() as http:
                await _written_by(http, started.url, "native" if native else "python")
                yield OfferServer(
                    name,
                    started.process.pid,
                    http,
                    started.url,
                    ("/whip/bench-{}", "/whep/bench-{}"),
                    {"Authorization": f"Bearer {token}"},
                )

    return running


async def _written_by(http: aiohttp.ClientSession, url: str, writer: str) -> None:
    """Wait until packets are written as they should: the part in C may have to be compiled first.

    Raises:
        ConnectionError: they are not.
    """
    try:
        async with asyncio.timeout(BUILD_TIMEOUT_S):
            while True:
                async with http.get(f"{url}/metrics") as answer:
                    if f'/{writer}",' in await answer.text():
                        return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise ConnectionError(f"no {writer} writer: see `python -m server doctor`") from None


@contextmanager
def running_process(
    command: list[str],
    port: int,
    core: int | None,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a foreign server until the block ends.

    Args:
        port: it is ready when it takes TCP connections there.

    Yields:
        Its process id.

    Raises:
        ConnectionError: it did not start.
    """
    with log.open("wb") as out, pinned(core):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call
        )
    try:
        _wait_listening(port, process, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-2000:]
            raise ConnectionError(f"{log.stem} did not start:\n{said}")
        time.sleep(0.02)
