"""``/whip/{room}``: encoders publish as their token's participant (RFC 9725)."""

from __future__ import annotations

from aiohttp import web

from server import keys
from server.http import peer_sessions
from server.http.peer_sessions import MAX_SDP_BYTES, SDP, open_to_pages
from server.http.rooms_api import grant_of

routes = web.RouteTableDef()


@routes.post("/whip/{room}")
@open_to_pages
async def publish(request: web.Request) -> web.Response:
    """Take an offer: 201 with the answer, or 401, 403, 404, 413, 415, 422, 503."""
    grant = grant_of(request)
    room = peer_sessions.room_of(request)
    offer = await peer_sessions.read_body(request, SDP, MAX_SDP_BYTES)
    endpoint = await request.app[keys.SIGNALLING].encoders.publish(room, grant, offer)
    return peer_sessions.created(request, grant, "whip", endpoint)


@routes.patch("/whip/sessions/{session}")
@open_to_pages
async def patch(request: web.Request) -> web.Response:
    return await peer_sessions.patch(request, request.app[keys.SIGNALLING].encoders.endpoints)


@routes.delete("/whip/sessions/{session}")
@open_to_pages
async def delete(request: web.Request) -> web.Response:
    return await peer_sessions.delete(request, request.app[keys.SIGNALLING].encoders.endpoints)


@routes.head("/whip/{room}")
@open_to_pages
async def describe(request: web.Request) -> web.Response:
    return await peer_sessions.describe(request)


@routes.options("/whip/{room}")
@routes.options("/whip/sessions/{session}")
@open_to_pages
async def preflight(request: web.Request) -> web.Response:
    return await peer_sessions.preflight(request)
