"""``python -m media.recorder``: the recorder as a process, between a node and its workers.

Speaks ``rpc`` on standard input and output, listens for workers on a Unix socket.
When the node is gone it finishes its files and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Hashable
from pathlib import Path

import msgspec

from media.framing import encode_frame, read_frames
from media.recorder import wire
from media.recorder.recorder import Recorder
from media.recorder.rpc import Begin, Downward, Ready, Stop, Upward, Wish

TICK_S = 0.05

_log = logging.getLogger("media.recorder")


def main() -> int:
    """Run a recorder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m media.recorder")
    parser.add_argument("--socket", type=Path, required=True, help="where workers connect")
    parser.add_argument("--folder", type=Path, required=True, help="where files are written")
    parser.add_argument("--reserve-bytes", type=int, required=True, help="disk space to leave free")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    # A terminal's Ctrl-C is for the node; it then tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    try:
        asyncio.run(_serve(arguments.socket, arguments.folder, arguments.reserve_bytes))
    finally:
        arguments.socket.unlink(missing_ok=True)
    return 0


async def _serve(socket_path: Path, folder: Path, reserve_bytes: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    stdin, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    orders = read_frames(reader)
    first = await anext(orders, None)
    if first is None:
        return
    wall = time.time() - time.monotonic()
    recorder = Recorder(
        folder,
        msgspec.msgpack.decode(first, type=Begin),
        reserve_bytes=reserve_bytes,
        wall_ms=lambda at: round((at + wall) * 1000),
        tell=_tell,
        ask=_ask,
    )
    feeds: set[_Feed] = set()
    server = await loop.create_unix_server(lambda: _Feed(recorder, feeds), socket_path)
    _tell(Ready())
    ticking = asyncio.create_task(_tick(recorder))
    obeying = asyncio.create_task(_obey(recorder, orders))
    try:
        await asyncio.wait([ticking, obeying], return_when=asyncio.FIRST_COMPLETED)
        for task in (ticking, obeying):
            if task.done():
                task.result()
    finally:
        recorder.stop("recorder_failed", time.monotonic())
        for task in (ticking, obeying):
            task.cancel()
        server.close()
        stdin.close()
        for feed in tuple(feeds):
            feed.close()
        await asyncio.wait([ticking, obeying])
        await asyncio.sleep(0)  # connections say goodbye in the loop's next round


async def _obey(recorder: Recorder, orders: AsyncIterator[bytes | None]) -> None:
    async for body in orders:
        if body is None:
            continue
        match msgspec.msgpack.decode(body, type=Downward):
            case Wish() as wish:
                recorder.wish(wish, time.monotonic())
            case Stop():
                recorder.stop("stopped", time.monotonic())
                return
    recorder.stop("node_lost", time.monotonic())


async def _tick(recorder: Recorder) -> None:
    while not recorder.ended:
        recorder.tick(time.monotonic())
        await asyncio.sleep(TICK_S)


def _tell(message: Upward) -> None:
    try:
        sys.stdout.buffer.write(encode_frame(message))
        sys.stdout.buffer.flush()
    except (BrokenPipeError, ConnectionError):
        _log.info("the node is gone")


def _ask(connection: Hashable, stream: int) -> None:
    assert isinstance(connection, _Feed)
    connection.ask(stream)


class _Feed(asyncio.Protocol):
    """A worker's connection."""

    def __init__(self, recorder: Recorder, feeds: set[_Feed]) -> None:
        self._recorder = recorder
        self._feeds = feeds
        self._splitter = wire.Splitter()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._feeds.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._splitter.feed(data):
                self._recorder.take(self, message, time.monotonic())
        except wire.WireError as error:
            _log.error("a worker is not understood: %s", error)
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._feeds.discard(self)
        self._recorder.disconnected(self, time.monotonic())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def ask(self, stream: int) -> None:
        if self._transport is not None:
            self._transport.write(wire.pack_number(wire.KEYFRAME, stream))


if __name__ == "__main__":
    sys.exit(main())
