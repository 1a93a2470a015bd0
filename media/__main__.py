"""``python -m media``: the media worker as a process of its own.

Binds its UDP port, connects to the node's socket, serves until that connection
ends, and dies with its parent in any case (Linux).
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from media import native
from media.framing import Notice, RpcServer
from media.loop import new_loop
from media.udp import MediaPort
from media.worker import Worker

EXIT_PORT_TAKEN = 3
PR_SET_PDEATHSIG = 1

_log = logging.getLogger("media")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker; returns the exit code.

    Args:
        arguments: instead of the command line's.
    """
    parser = argparse.ArgumentParser(prog="python -m media", description="Yunhai's media worker.")
    parser.add_argument("--socket", type=Path, required=True, help="the node's Unix socket")
    parser.add_argument("--host", default="0.0.0.0", help="address of the UDP port")  # noqa: S104
    parser.add_argument("--port", type=int, default=0, help="UDP and TCP port, 0 for any free one")
    parser.add_argument("--no-tcp", action="store_true", help="take no media over TCP")
    parser.add_argument(
        "--advertise", default="", help="addresses told to peers, separated by commas"
    )
    parser.add_argument(
        "--native", type=Path, help="folder for the part in C; without, everything is Python"
    )
    chosen = parser.parse_args(arguments)
    die_with_parent()
    _configure_logs()
    advertise = [address for address in chosen.advertise.split(",") if address]
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(
            _serve(
                chosen.socket,
                chosen.host,
                chosen.port,
                advertise,
                native_folder=chosen.native,
                tcp=not chosen.no_tcp,
            )
        )


async def _serve(
    socket_path: Path,
    host: str,
    port: int,
    advertise: list[str],
    *,
    native_folder: Path | None,
    tcp: bool,
) -> int:
    try:
        media_port = MediaPort(host, port, advertise, tcp=tcp)
    except OSError as error:
        cause = error.strerror or str(error)
        advice = (
            "no interface here has that address, set YUNHAI_MEDIA_HOST"
            if error.errno == errno.EADDRNOTAVAIL
            else "free it or set YUNHAI_MEDIA_PORT"
        )
        print(f"{cause}: {advice}", file=sys.stderr, flush=True)
        return EXIT_PORT_TAKEN
    try:
        try:
            reader, writer = await asyncio.open_unix_connection(socket_path)
        except OSError as error:
            print(f"cannot connect to {socket_path}: {error}", file=sys.stderr, flush=True)
            return 1
        server: RpcServer

        def notify(notice: Notice) -> None:
            server.notify(notice)

        worker = Worker(media_port, notify)
        server = RpcServer(reader, writer, worker.handle)
        _log.info(
            "media worker ready, port %d of UDP%s", media_port.port, " and TCP" if tcp else ""
        )
        # What lives now lives to the end: no collection need look at it again.
        gc.freeze()
        serving = asyncio.create_task(server.run())
        equipping = asyncio.create_task(_equip(media_port, native_folder))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
        try:
            await serving
            _log.info("the node closed its connection; media worker ends")
        except asyncio.CancelledError:
            _log.info("told to end; media worker ends")
        finally:
            equipping.cancel()
            worker.close()
            writer.close()
    finally:
        media_port.close()
    return 0


async def _equip(media_port: MediaPort, native_folder: Path | None) -> None:
    """Change to the writer in C when there is one; until then packets are written in Python."""
    if native_folder is not None:
        writer = await native.build(native_folder)
        if writer is not None:
            media_port.write_with(writer)
    _log.info("packets leave by %s", media_port.way)


def die_with_parent() -> None:
    """Have the kernel end us when the node dies, even by kill -9 (prctl(2), Linux only)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


class _JsonLines(logging.Formatter):
    """One JSON object a line, as the node reads it."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def _configure_logs() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
