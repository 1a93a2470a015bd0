"""A network that lets pages through and WebSockets not, as some offices and hotels do.

An HTTP forward proxy on loopback. Browsers send ``ws://`` through a tunnel
(CONNECT), everything else as plain requests, so the two are told apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

HEAD_BYTES = 65_536

Block = Literal["refuse", "cut"]


@asynccontextmanager
async def running_proxy(block: Block) -> AsyncIterator[str]:
    """Run the proxy; give its address for a browser's settings.

    Args:
        block: "refuse" answers tunnels with 403; "cut" lets the handshake through and then
            closes the connection.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _serve(reader, writer, block)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the callback's task is nobody's to await: asyncio would report its end
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=HEAD_BYTES)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, block: Block) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    if method == "CONNECT" and block == "refuse":
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        return
    url = urlsplit(f"//{target}" if method == "CONNECT" else target)
    up_reader, up_writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            up_writer.write(await reader.readuntil(b"\r\n\r\n"))
            writer.write(await up_reader.readuntil(b"\r\n\r\n"))
            await writer.drain()
            return
        path = url.path + (f"?{url.query}" if url.query else "")
        kept = [
            line
            for line in head.split(b"\r\n")[1:-2]
            if not line.lower().startswith((b"connection:", b"proxy-connection:"))
        ]
        start = f"{method} {path} HTTP/1.1".encode()
        up_writer.write(b"\r\n".join([start, *kept, b"Connection: close", b"", b""]))
        upload = asyncio.create_task(_pipe(reader, up_writer))
        try:
            await _pipe(up_reader, writer)
        finally:
            upload.cancel()
            with suppress(asyncio.CancelledError):
                await upload
    finally:
        up_writer.close()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(65_536):
            target.write(chunk)
            await target.drain()
