"""Engine.IO as we need it: counted outboxes, monotonic ping ages, no traceback per bad packet.

python-engineio measures ping ages by wall clock, keeps outbound queues
unbounded and lets malformed packets raise through its handlers. The classes
here take the place of its own; tests/server/realtime/test_engine.py notices
when a new version no longer uses them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import engineio
from aiohttp import WSCloseCode, web
from engineio import async_socket, exceptions, packet, payload

CLOSE_TIMEOUT_S = 2.0
"""How long a client may take to answer a WebSocket close."""


class Outbox(asyncio.Queue[Any]):
    """A socket's outbound packets, and how many bytes they hold."""

    size_bytes = 0

    def _put(self, item: Any) -> None:
        self.size_bytes += _weight(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self.size_bytes -= _weight(item)
        return item

    def clear(self) -> None:
        """Drop whatever waits."""
        while not self.empty():
            self.get_nowait()
            self.task_done()


def _weight(item: Any) -> int:
    data = getattr(item, "data", None)
    return len(data) + 64 if isinstance(data, str | bytes) else 64


class Socket(async_socket.AsyncSocket):  # type: ignore[misc]
    """One client's connection. ``websocket`` is set once it has one."""

    def __init__(self, server: Any, sid: str) -> None:
        super().__init__(server, sid)
        self.last_ping: float | None = time.monotonic()
        self.websocket: WebSocket | None = None

    async def check_ping_timeout(self) -> bool:
        if self.closed:
            raise exceptions.SocketIsClosedError
        if self.last_ping and time.monotonic() - self.last_ping > self.server.ping_timeout:
            await self.close(wait=False, abort=False, reason=self.server.reason.PING_TIMEOUT)
            self.abort()
            return False
        return True

    async def _send_ping(self) -> None:
        await asyncio.sleep(self.server.ping_interval)
        if not self.closing and not self.closed:
            self.last_ping = time.monotonic()
            await self.send(packet.Packet(packet.PING))

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """Take a long-polling POST; a malformed one ends the connection."""
        try:
            length = int(environ.get("CONTENT_LENGTH", "0"))
            if length > self.server.max_http_buffer_size:
                raise exceptions.ContentTooLongError
            body = await environ["wsgi.input"].readexactly(length)
            packets = payload.Payload(encoded_payload=body.decode()).packets
        except (ValueError, IndexError, RecursionError, EOFError):
            raise exceptions.UnknownPacketError from None
        for each in packets:
            await self.receive(each)

    async def close(self, wait: bool = True, abort: bool = False, reason: Any = None) -> None:
        """Close, and let whoever writes or polls end once the outbox is empty."""
        await super().close(wait=False, abort=abort, reason=reason)
        self.queue.put_nowait(None)

    async def _websocket_handler(self, ws: WebSocket) -> None:
        """Serve a WebSocket; where it replaces polling and fails, polling goes on as before.

        python-engineio would answer every poll at once, with nothing, for ever.
        """
        try:
            await super()._websocket_handler(ws)
        finally:
            if self.connected and not self.upgraded:
                self.upgrading = False
                self.websocket = None

    def abort(self) -> None:
        """Cut the TCP connection: a writer that waits for a client that reads nothing goes on."""
        if self.websocket is not None:
            self.websocket.abort()


class WebSocket:
    """The WebSocket that python-engineio reads and writes, on aiohttp."""

    def __init__(self, handler: Any, server: Any) -> None:
        self._handler = handler
        self._server = server
        self._socket = web.WebSocketResponse(
            max_msg_size=server.max_http_buffer_size, timeout=CLOSE_TIMEOUT_S, compress=False
        )
        self._request: web.Request | None = None

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        self._request = environ["aiohttp.request"]
        await self._socket.prepare(self._request)
        self._handler.__self__.websocket = self
        await self._handler(self)
        return self._socket

    async def close(self) -> None:
        await self._socket.close()

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_str(message)

    async def wait(self) -> str | bytes:
        """Wait for a frame.

        Raises:
            OSError: the connection ended, or the frame is no Engine.IO packet.
        """
        message = await self._socket.receive()
        data = message.data
        if isinstance(data, bytes):
            return data
        if isinstance(data, str):
            try:
                packet.Packet(encoded_packet=data)
            except (ValueError, IndexError, RecursionError):
                await self._socket.close(code=WSCloseCode.PROTOCOL_ERROR)
            else:
                return data
        raise OSError

    def abort(self) -> None:
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server with the classes above."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        drivers: dict[str, Any] = self._async  # type: ignore[has-type]
        self._async = {**drivers, "websocket": WebSocket}

    def create_queue(self, *arguments: Any, **options: Any) -> Outbox:
        return Outbox(*arguments, **options)


async_socket.AsyncSocket = Socket
