"""The seam to python-engineio: it must make our sockets, and these must keep time by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from engineio import async_socket, packet

from rooms.live import Role
from server.realtime import engine
from tests.server.guests import until
from tests.server.realtime.venue import Client, Node, client, running_node, serving


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


@pytest.mark.parametrize("said", [[], ["2probe"]])
async def test_polling_goes_on_when_its_web_socket_is_cut(gz: Node, said: list[str]) -> None:
    lin = Client()
    await lin.connect(gz, gz.token("lin", Role.MEMBER), transports=["polling"])
    sid = lin.socket.eio.sid
    assert gz.gate is not None
    socket = gz.gate.eio.sockets[sid]
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{gz.url}/socket.io/?EIO=4&transport=websocket&sid={sid}") as upgrade,
    ):
        for text in said:
            await upgrade.send_str(text)
            assert await upgrade.receive_str() == "3probe"
        await until(lambda: socket.upgrading, "the upgrade begun")
    await until(lambda: not socket.upgrading, "the upgrade given up")
    await lin.join()
    await lin.socket.disconnect()


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
