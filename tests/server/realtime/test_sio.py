"""The pipe: a real Socket.IO client with msgpack against a real server, and what is no client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import pytest
import socketio

from server.realtime import sio
from server.realtime.wire import event_frame
from tests.server.guests import until
from tests.server.realtime.venue import ROOM, Client, Node, client, running_node, serving


@pytest.fixture
async def gz(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "gz") as node, serving(node):
        yield node


async def test_long_polling_works_as_well(gz: Node) -> None:
    async with client(gz, "lin") as lin:
        await lin.join()
        polling = await Client().connect(gz, gz.token("ada"), ["polling"])
        await polling.join()
        await lin.do("chat.send", text="云" * 2_000)
        assert len((await polling.event("chat.posted"))["message"]["text"]) == 2_000
        await polling.leave()


async def test_a_socket_without_a_good_token_is_refused_with_a_code(gz: Node) -> None:
    for auth in (None, {}, {"token": 5}, {"token": "nonsense"}, "token"):
        one = Client()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await one.socket.connect(gz.url, auth=auth, transports=["websocket"], wait_timeout=5)
        assert one.refusals[0]["data"]["code"] == "bad_token", auth
    assert gz.gate is not None
    sockets = gz.gate.eio.sockets
    await until(lambda: all(s.closed for s in sockets.values()), "all hung up on")


async def test_a_person_may_have_five_windows(gz: Node) -> None:
    clients = [await Client().connect(gz, gz.token("lin")) for _ in range(sio.SOCKETS_PER_PERSON)]
    sixth = Client()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await sixth.connect(gz, gz.token("lin"))
    assert sixth.refusals[0]["data"]["code"] == "rate_limited"
    await clients[0].leave()
    await until(lambda: len(gz.gate) == 4, "one place")  # type: ignore[arg-type]
    clients.append(await Client().connect(gz, gz.token("lin")))
    for one in clients[1:]:
        await one.leave()


async def test_a_client_that_does_not_read_is_sent_away_and_costs_only_itself(gz: Node) -> None:
    async with client(gz, "ada") as ada, client(gz, "lin") as lin:
        await ada.join()
        joined = await lin.join()
        session = gz.realtime.sessions.get(joined["me"]["session"])
        assert session is not None
        lin.socket.eio.ws._response.connection.transport.pause_reading()
        frame = event_frame("signal", {"name": "filler", "data": "x" * 32_768})
        sent = 0
        while session.carrier is not None:
            session.deliver(frame)
            await asyncio.sleep(0)
            sent += 1
            assert sent < 10_000, "the slow client was never sent away"
        await ada.do("chat.send", text="meanwhile")
        await ada.event("chat.posted")
        await until(lambda: len(gz.gate) == 1, "its socket gone")  # type: ignore[arg-type]
        await until(lambda: ada.named("participant.left"), "lin gone from the roster")
        assert ada.named("participant.left") == [{"identity": "lin", "reason": "lost"}]


async def test_a_leaving_node_sends_its_people_elsewhere(tmp_path: Path, valkey_url: str) -> None:
    lin = Client()
    async with running_node(tmp_path, valkey_url, "gz") as node:
        async with serving(node):
            await lin.connect(node, node.token("lin"))
            await lin.join()
        assert await lin.closed() == {"reason": "node_draining", "reconnect": True}
        await lin.gone.wait()
        assert len(node.realtime.sessions) == 0
        assert await node.realtime.live.people([ROOM]) == {ROOM: 0}


class Raw:
    """A bare WebSocket that says what no client library would."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def rest(self) -> list[Any]:
        """Read whatever comes until the server hangs up."""
        got: list[Any] = []
        async with asyncio.timeout(10):
            async for message in self.socket:
                got.append(message.data)
        return got


@asynccontextmanager
async def raw(node: Node) -> AsyncIterator[Raw]:
    url = f"{node.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        await socket.receive()
        yield Raw(socket)


GARBAGE: list[str | bytes] = [
    "",
    "x",
    "b!!!",
    "4" + "[" * 3_000,
    "40" + json.dumps({"token": "x"}),
    b"",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 5_000,
    msgpack.packb([1, 2, 3]),
    msgpack.packb({"type": 2, "nsp": "/"}),
    msgpack.packb({"type": 2, "nsp": "/", "data": ["chat.send", {}], "id": 1}),
    msgpack.packb({"type": 0, "nsp": "/admin", "data": {}}),
    msgpack.packb({"type": 5, "nsp": "/", "data": [], "id": 1}),
    msgpack.packb({"type": 0, "nsp": "/", "data": {"token": msgpack.ExtType(9, b"x")}}),
    b"\x00" * 300_000,
]


async def test_garbage_ends_its_own_connection_without_a_traceback(
    gz: Node, caplog: pytest.LogCaptureFixture
) -> None:
    for garbage in GARBAGE:
        async with raw(gz) as stranger:
            if isinstance(garbage, str):
                await stranger.socket.send_str(garbage)
            else:
                await stranger.socket.send_bytes(garbage)
            await stranger.rest()
    assert [r for r in caplog.records if r.exc_info] == []
    async with client(gz, "lin") as lin:
        await lin.join()


async def test_a_client_with_the_default_parser_is_told_so_in_its_own_words(gz: Node) -> None:
    async with raw(gz) as stranger:
        await stranger.socket.send_str("40" + json.dumps({"token": "x"}))
        rest = await stranger.rest()
    answer = next(m for m in rest if isinstance(m, str) and m.startswith("44"))
    assert "msgpack" in json.loads(answer[2:])["message"]


async def test_a_socket_that_shows_no_token_is_hung_up_on(
    gz: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sio, "AUTH_DEADLINE_S", 0.2)
    async with raw(gz) as stranger:
        await stranger.rest()


async def test_strangers_from_one_address_are_limited(
    gz: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sio, "STRANGERS_PER_ADDRESS", 3)
    monkeypatch.setattr(sio, "AUTH_DEADLINE_S", 0.5)
    url = f"{gz.url}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as http:
        statuses = [(await http.get(url)).status for _ in range(5)]
        assert statuses == [200, 200, 200, 401, 401]
        await until(lambda: not gz.gate._strangers, "the strangers' end")  # type: ignore[union-attr]
        assert (await http.get(url)).status == 200


async def test_a_foreign_page_may_not_connect(gz: Node) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{gz.url}/socket.io/?EIO=4&transport=polling"
        foreign = await http.get(url, headers={"Origin": "https://evil.example"})
        own = await http.get(url, headers={"Origin": gz.settings.public_url})
        assert (foreign.status, own.status) == (400, 200)
