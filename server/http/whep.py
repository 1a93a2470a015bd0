"""``/whep/{room}`` plays a room's program, ``/whep/{room}/{participant}`` one person."""

from __future__ import annotations

from aiohttp import web

from rooms.errors import Code, RoomError
from rooms.ids import Identity, is_identity
from server import keys
from server.http import peer_sessions
from server.http.peer_sessions import MAX_SDP_BYTES, SDP, open_to_pages
from server.http.rooms_api import grant_of

routes = web.RouteTableDef()


@routes.post("/whep/{room}")
@routes.post("/whep/{room}/{participant}")
@open_to_pages
async def play(request: web.Request) -> web.Response:
    """Take an offer: 201 with the answer, 409 while nothing is on, or 401, 403, 404, 413, 415, 422, 503."""
    grant = grant_of(request)
    room = peer_sessions.room_of(request)
    person = request.match_info.get("participant")
    if person is not None and not is_identity(person):
        raise RoomError(Code.NOT_FOUND, "There is no such person. Check the address.")
    offer = await peer_sessions.read_body(request, SDP, MAX_SDP_BYTES)
    endpoint = await request.app[keys.SIGNALLING].players.play(
        room, grant, offer, None if person is None else Identity(person)
    )
    return peer_sessions.created(request, grant, "whep", endpoint)


@routes.patch("/whep/sessions/{session}")
@open_to_pages
async def patch(request: web.Request) -> web.Response:
    return await peer_sessions.patch(request, request.app[keys.SIGNALLING].players.endpoints)


@routes.delete("/whep/sessions/{session}")
@open_to_pages
async def delete(request: web.Request) -> web.Response:
    return await peer_sessions.delete(request, request.app[keys.SIGNALLING].players.endpoints)


@routes.head("/whep/{room}")
@routes.head("/whep/{room}/{participant}")
@open_to_pages
async def describe(request: web.Request) -> web.Response:
    return await peer_sessions.describe(request)


@routes.options("/whep/{room}")
@routes.options("/whep/{room}/{participant}")
@open_to_pages
async def preflight(request: web.Request) -> web.Response:
    return await peer_sessions.preflight(request)
