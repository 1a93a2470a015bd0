"""The seam to python-engineio: it must make our sockets, and these must keep time by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engineio import async_socket, packet

from server.realtime import engine
from tests.server.realtime.venue import Node, client, running_node, serving, until


@pytest.fixture
async def gz(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "gz") as node, serving(node):
        yield node


async def test_engineio_makes_our_sockets_queues_and_websockets(gz: Node) -> None:
    changed = "python-engineio changed how it makes sockets: adapt server/realtime/engine.py"
    assert async_socket.AsyncSocket is engine.Socket, changed
    assert gz.gate is not None
    async with client(gz, "lin"):
        (socket,) = gz.gate.eio.sockets.values()
        assert type(socket) is engine.Socket, changed
        assert type(socket.queue) is engine.Outbox, changed
        assert type(socket.websocket) is engine.WebSocket, changed


async def test_a_clock_that_jumps_an_hour_disconnects_nobody(
    gz: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gz.gate is not None
    gz.gate.eio.ping_interval = 0.05
    async with client(gz, "lin") as lin:
        await lin.join()
        (socket,) = gz.gate.eio.sockets.values()
        true_time = time.time
        monkeypatch.setattr(time, "time", lambda: true_time() + 3_600)
        for _ in range(20):
            assert await socket.check_ping_timeout()
            await asyncio.sleep(0.01)
        assert not lin.gone.is_set()


async def test_a_client_that_answers_no_ping_is_gone(gz: Node) -> None:
    assert gz.gate is not None
    async with client(gz, "lin") as lin:
        await lin.join()
        (socket,) = gz.gate.eio.sockets.values()
        socket.last_ping = time.monotonic() - gz.gate.eio.ping_timeout - 1
        assert not await socket.check_ping_timeout()
        await until(lambda: len(gz.gate) == 0, "the connection gone")  # type: ignore[arg-type]
        await lin.gone.wait()


async def test_an_outbox_knows_its_weight() -> None:
    box = engine.Outbox()
    box.put_nowait(packet.Packet(packet.MESSAGE, b"x" * 1_000))
    box.put_nowait(packet.Packet(packet.MESSAGE, "y" * 500))
    box.put_nowait(None)
    assert box.size_bytes == 1_500 + 3 * 64
    box.get_nowait()
    assert box.size_bytes == 500 + 2 * 64
    box.clear()
    assert (box.size_bytes, box.qsize()) == (0, 0)
