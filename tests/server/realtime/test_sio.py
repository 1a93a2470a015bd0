"""Sockets: a real Socket.IO client with msgpack against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import pytest
import socketio

from rooms.live import Role
from server.realtime import sio
from tests.server.realtime.venue import (
    HALL,
    ROOM,
    Client,
    Node,
    client,
    grant,
    running_node,
    serving,
    until,
)


@pytest.fixture
async def gz(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "gz") as node, serving(node):
        yield node


@pytest.fixture
async def sf(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "sf") as node, serving(node):
        yield node


async def test_joining_gives_a_snapshot_and_then_events(gz: Node) -> None:
    async with client(gz, "lin") as lin, client(gz, "ada") as ada:
        first = await lin.join()
        assert first["live"]["participants"].keys() == {"lin"}
        assert first["me"] == {
            "identity": "lin",
            "session": first["me"]["session"],
            "name": "Lin",
            "role": "member",
            "rights": first["me"]["rights"],
        }
        assert "chat.send" in first["me"]["rights"]
        assert "stage.set" not in first["me"]["rights"]
        assert not first["resumed"]
        assert first["nodes"] == [{"id": "gz", "url": "http://gz.test:8080"}]
        second = await ada.join()
        assert second["live"]["participants"].keys() == {"lin", "ada"}
        assert (await lin.event("participant.joined"))["participant"]["name"] == "Ada"
        assert [e["seq"] for e in lin.events] == [first["seq"] + 1]
        assert second["seq"] == first["seq"] + 1
        assert ada.events == []
        await ada.do("room.leave")
        assert (await lin.event("participant.left")) == {"identity": "ada", "reason": "left"}


async def test_chat_crosses_nodes_in_order_and_reaches_its_sender(gz: Node, sf: Node) -> None:
    async with client(gz, "lin") as lin, client(sf, "ada") as ada:
        await lin.join()
        await ada.join()
        for number in range(5):
            posted = await lin.do("chat.send", text=f"第{number}条")
            assert posted["message"]["number"] == number + 1
        await ada.do("chat.send", text="received")
        for one in (lin, ada):
            await one.event("chat.posted", 6)
            texts = [d["message"]["text"] for d in one.named("chat.posted")]
            assert texts == [*(f"第{n}条" for n in range(5)), "received"]
        late = await lin.join()
        assert [m["text"] for m in late["live"]["messages"]][-1] == "received"
        page = await lin.do("chat.history", before=4, limit=2)
        assert [m["number"] for m in page["messages"]] == [2, 3]
        assert page["more"]


async def test_long_polling_works_as_well(gz: Node) -> None:
    async with client(gz, "lin") as lin:
        await lin.join()
        polling = await Client().connect(gz, gz.token("ada"), ["polling"])
        await polling.join()
        await lin.do("chat.send", text="云" * 2_000)
        assert len((await polling.event("chat.posted"))["message"]["text"]) == 2_000
        await polling.leave()


@pytest.mark.parametrize(
    ("name", "payload", "code"),
    [
        ("dance", {"id": "a", "data": {}}, "bad_command"),
        ("chat.send", None, "bad_command"),
        ("chat.send", [1, 2], "bad_command"),
        ("chat.send", {"data": {"text": "x"}}, "bad_command"),
        ("chat.send", {"id": "", "data": {"text": "x"}}, "bad_command"),
        ("chat.send", {"id": "x" * 65, "data": {"text": "x"}}, "bad_command"),
        ("chat.send", {"id": 7, "data": {"text": "x"}}, "bad_command"),
        ("chat.send", {"id": "a", "data": {}}, "bad_command"),
        ("chat.send", {"id": "a", "data": {"text": 5}}, "bad_command"),
        ("chat.send", {"id": "a", "data": {"text": " \n\t "}}, "bad_command"),
        ("chat.send", {"id": "a", "data": {"text": "x" * 2_001}}, "too_large"),
        ("chat.send", {"id": "a", "data": {"text": "x" * 70_000}}, "too_large"),
        ("room.join", {"id": "a", "data": {"room": "../etc"}}, "bad_command"),
        ("chat.history", {"id": "a", "data": {"before": 2**60}}, "bad_command"),
        ("chat.history", {"id": "a", "data": {"before": 1, "limit": 10_000}}, "bad_command"),
        ("floor.give", {"id": "a", "data": {"identity": "ada"}}, "forbidden"),
    ],
)
async def test_bad_commands_are_answered_with_a_code(
    gz: Node, name: str, payload: Any, code: str
) -> None:
    async with client(gz, "lin") as lin:
        await lin.join()
        ack = await lin.socket.call(name, payload, timeout=5)
        assert ack["error"]["code"] == code, ack
        assert ack["error"]["message"]
        assert (await lin.do("chat.send", text="still here"))["message"]["number"] == 1


@pytest.mark.parametrize("auth", [None, {}, {"token": 5}, {"token": "nonsense"}, "token"])
async def test_a_socket_without_a_good_token_is_refused_with_a_code(gz: Node, auth: Any) -> None:
    one = Client()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await one.socket.connect(gz.url, auth=auth, transports=["websocket"], wait_timeout=5)
    assert one.refusals[0]["data"]["code"] == "bad_token"
    await until(lambda: not gz.gate.eio.sockets or all(s.closed for s in gz.gate.eio.sockets.values()), "hung up")  # type: ignore[union-attr]


async def test_a_foreign_room_looks_as_absent_as_a_missing_one(gz: Node) -> None:
    one = await Client().connect(gz, gz.token("lin", room=HALL, any_room=False))
    foreign = await one.refusal("room.join", room=ROOM)
    missing = await one.refusal("room.join", room="nowhere")
    assert foreign == missing
    assert foreign["code"] == "not_found"
    assert (await one.join(HALL))["live"]["room"]["id"] == HALL
    await one.leave()
