"""``/api/v1``: rooms for programs and for the entrance page. Bearer tokens only, no cookies."""

from __future__ import annotations

import time
import zoneinfo
from functools import cache
from typing import Annotated, Any

import msgspec
from aiohttp import web

from rooms.actions.creation import create
from rooms.errors import Code, RoomError
from rooms.ids import RoomId, is_room_id
from rooms.live import Room, RoomKind
from server import keys
from server.tokens import Grant, bearer, verify
from server.turn import ice_servers

routes = web.RouteTableDef()

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class NewRoom(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/v1/rooms``."""

    id: str
    kind: RoomKind
    names: dict[str, Name]
    city: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[a-z-]*$")] = ""
    zone: Annotated[str, msgspec.Meta(max_length=64)] = "UTC"


@routes.get("/api/v1/rooms")
async def list_rooms(request: web.Request) -> web.Response:
    """Every room if the token lists rooms, else the one it opens; with how many people are in."""
    grant = grant_of(request)
    rooms = await request.app[keys.STORE].rooms.list()
    if not grant.may_list:
        rooms = [room for room in rooms if grant.opens(room.id)]
    people = await request.app[keys.REALTIME].live.people([room.id for room in rooms])
    listed: list[dict[str, Any]] = [
        {
            **msgspec.to_builtins(room),
            "people": people.get(room.id, 0),
            "open": grant.opens(room.id),
        }
        for room in rooms
    ]
    you = {"identity": grant.identity, "name": grant.name, "role": str(grant.role)}
    return web.json_response({"rooms": listed, "you": you})


@routes.post("/api/v1/rooms")
async def create_room(request: web.Request) -> web.Response:
    """Make a room: 201 with it, 409 when the id is taken, 422 when a field is wrong."""
    grant = grant_of(request)
    wanted = _room(await request.read(), created_ms=time.time_ns() // 1_000_000)
    granted = grant.may_create and grant.opens(wanted.id)
    await create(request.app[keys.STORE], wanted, role=grant.role, granted=granted)
    return web.json_response(
        msgspec.to_builtins(wanted), status=201, headers={"Location": f"/rooms/{wanted.id}"}
    )


@routes.get("/api/v1/ice")
async def ice(request: web.Request) -> web.Response:
    """STUN and TURN servers as RTCPeerConnection takes them; usually none are needed."""
    grant = grant_of(request)
    servers = ice_servers(
        request.app[keys.SETTINGS], grant.identity, now_s=time.time_ns() // 1_000_000_000
    )
    listed = [
        {"urls": s.url}
        if s.username is None
        else {"urls": s.url, "username": s.username, "credential": s.credential}
        for s in servers
    ]
    return web.json_response({"iceServers": listed})


def grant_of(request: web.Request) -> Grant:
    """Verify the request's bearer token.

    Raises:
        RoomError: BAD_TOKEN.
    """
    return verify(request.app[keys.SETTINGS], bearer(request.headers.get("Authorization")))


def _room(body: bytes, *, created_ms: int) -> Room:
    try:
        new = msgspec.json.decode(body, type=NewRoom)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise RoomError(Code.BAD_COMMAND, f"The room cannot be made: {error}.") from None
    names = {tag: name.strip() for tag, name in new.names.items()}
    if not is_room_id(new.id):
        problem = "id must be 1 to 63 of a-z, 0-9 and -, not beginning with -"
    elif not names or not names.keys() <= {"zh", "en", "ja"}:
        problem = "names must hold a name for zh, en or ja, and for nothing else"
    elif not all(name and name.isprintable() for name in names.values()):
        problem = "a name in names is empty or holds control characters"
    elif new.zone not in _zones():
        problem = f"zone {new.zone!r} is not an IANA time zone such as Asia/Shanghai"
    else:
        return Room(
            id=RoomId(new.id),
            kind=new.kind,
            names=names,
            city=new.city,
            zone=new.zone,
            created_ms=created_ms,
        )
    raise RoomError(Code.BAD_COMMAND, f"The room cannot be made: {problem}.")


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
