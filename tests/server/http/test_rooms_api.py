"""The rooms' API on a real store and a real Redis, without media."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rooms.ids import RoomId
from rooms.live import Role
from server import keys
from server.realtime.service import Realtime
from server.store import Store
from server.tokens import mint, verify
from tests.server.http.client import Client, http_client
from tests.server.settings import make_settings


@pytest.fixture
async def node(tmp_path: Path, sqlite_url: str, valkey_url: str) -> AsyncIterator[Client]:
    """A client of the HTTP application with storage and the real-time core behind it."""
    settings = make_settings(tmp_path)
    async with (
        Store.open(sqlite_url) as store,
        Realtime.start(settings, store, redis_url=valkey_url) as realtime,
        http_client(tmp_path, services={keys.STORE: store, keys.REALTIME: realtime}) as client,
    ):
        yield client


def token(folder: Path, **grants: Any) -> dict[str, str]:
    made = mint(
        make_settings(folder),
        **{"identity": "ann", "name": "Ann", "role": Role.MODERATOR, "any_room": True, **grants},
    )
    return {"Authorization": f"Bearer {made}"}


async def test_room_is_made_listed_and_not_made_twice(node: Client, tmp_path: Path) -> None:
    bearer = token(tmp_path, create=True)
    room = {"id": "hall-gz", "kind": "hall", "names": {"zh": "广州厅", "en": "Guangzhou"},
            "city": "guangzhou", "zone": "Asia/Shanghai"}  # fmt: skip
    made = await node.post("/api/v1/rooms", json=room, headers=bearer)
    assert made.status == 201, await made.text()
    assert made.headers["Location"] == "/rooms/hall-gz"
    again = await node.post("/api/v1/rooms", json={**room, "city": "tokyo"}, headers=bearer)
    assert again.status == 409
    assert (await again.json())["error"]["code"] == "exists"
    listed = await (await node.get("/api/v1/rooms", headers=bearer)).json()
    assert listed["you"] == {"identity": "ann", "name": "Ann", "role": "moderator"}
    (only,) = listed["rooms"]
    assert only.pop("created_ms") > 1_600_000_000_000
    assert only == {**room, "people": 0, "open": True}


async def test_token_that_lists_nothing_sees_only_its_own_room(
    node: Client, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        room = {"id": name, "kind": "desk", "names": {"en": name}}
        await node.post("/api/v1/rooms", json=room, headers=token(tmp_path, create=True))
    seen = token(tmp_path, any_room=False, room="two", list_rooms=False)
    listed = await (await node.get("/api/v1/rooms", headers=seen)).json()
    assert [room["id"] for room in listed["rooms"]] == ["two"]
    seen = token(tmp_path, any_room=False, room="two")
    listed = await (await node.get("/api/v1/rooms", headers=seen)).json()
    assert [(room["id"], room["open"]) for room in listed["rooms"]] == [
        ("one", False),
        ("two", True),
    ]


@pytest.mark.parametrize(
    ("grants", "status", "code"),
    [
        ({"create": False}, 403, "forbidden"),
        ({"create": True, "role": Role.MEMBER}, 403, "forbidden"),
        ({"create": True, "any_room": False, "room": "other"}, 403, "forbidden"),
    ],
    ids=str,
)
async def test_room_is_made_only_by_who_may(
    node: Client, tmp_path: Path, grants: dict[str, Any], status: int, code: str
) -> None:
    room = {"id": "hall", "kind": "hall", "names": {"en": "Hall"}}
    answer = await node.post("/api/v1/rooms", json=room, headers=token(tmp_path, **grants))
    assert answer.status == status
    assert (await answer.json())["error"]["code"] == code


async def test_room_with_a_wrong_field_is_refused_with_the_field(
    node: Client, tmp_path: Path
) -> None:
    bearer = token(tmp_path, create=True)
    good: dict[str, Any] = {"id": "hall", "kind": "hall", "names": {"en": "Hall"}}
    for wrong, said in (
        ({"id": "No Room"}, "id"),
        ({"id": "a" * 64}, "id"),
        ({"kind": "castle"}, "kind"),
        ({"names": {}}, "names"),
        ({"names": {"de": "Saal"}}, "names"),
        ({"names": {"en": " "}}, "names"),
        ({"names": {"en": "a\nb"}}, "names"),
        ({"names": {"en": "x" * 81}}, "names"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"city": "Guang Zhou"}, "city"),
        ({"colour": "red"}, "colour"),
    ):
        answer = await node.post("/api/v1/rooms", json={**good, **wrong}, headers=bearer)
        assert answer.status == 422, wrong
        assert said in (await answer.json())["error"]["message"]
    for body in (b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000):
        answer = await node.post("/api/v1/rooms", data=body, headers=bearer)
        assert answer.status == 422, body[:10]


async def test_api_without_a_token_says_how_to_send_one(node: Client) -> None:
    for answer in (
        await node.get("/api/v1/rooms"),
        await node.post("/api/v1/rooms", json={}),
        await node.get("/api/v1/ice", headers={"Authorization": "Bearer abc"}),
    ):
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert (await answer.json())["error"]["code"] == "bad_token"


async def test_clients_learn_the_turn_servers(tmp_path: Path) -> None:
    async with http_client(
        tmp_path, turn_urls="turn:t.example:3478", turn_secret="t" * 32
    ) as client:
        answer = await (await client.get("/api/v1/ice", headers=token(tmp_path))).json()
    (server,) = answer["iceServers"]
    assert server["urls"] == "turn:t.example:3478"
    assert server["username"].endswith(":ann")
    assert server["credential"]


async def test_people_are_counted_once_however_many_windows_they_have(
    node: Client, tmp_path: Path
) -> None:
    bearer = token(tmp_path, create=True)
    room = {"id": "hall", "kind": "lobby", "names": {"en": "Hall"}}
    await node.post("/api/v1/rooms", json=room, headers=bearer)
    settings = make_settings(tmp_path)
    sessions = node.app[keys.REALTIME].sessions
    for identity in ("ann", "ann", "bob"):
        made = mint(settings, identity=identity, name="X", role=Role.MEMBER, room="hall")
        await sessions.open(RoomId("hall"), verify(settings, made), "socket")
    listed = await (await node.get("/api/v1/rooms", headers=bearer)).json()
    assert [only["people"] for only in listed["rooms"]] == [2]
