"""``/api/v1/rooms/{room}/connections``: how everybody in a room is connected, for its moderators.

A session's figures are at its node; any other names that one, or sends the asker there.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from rooms.errors import Code, RoomError
from rooms.ids import NodeId, RoomId, SessionId
from server import keys, tickets
from server.http import bearers, peer_sessions
from server.realtime.records import SessionRecord
from server.realtime.sessions import Session
from server.tickets import Bearer

routes = web.RouteTableDef()
NOT_YOURS = "Only moderators of this room see how others connect."


@routes.get("/api/v1/rooms/{room}/connections")
async def list_connections(request: web.Request) -> web.Response:
    """Every session of the room: in full at this node, else with a link that works for an hour."""
    room = peer_sessions.room_of(request)
    bearer = await bearers.require(request, room, "connection.read", NOT_YOURS, linked=True)
    me = request.app[keys.REALTIME].nodes.me.id
    found = await request.app[keys.REALTIME].live.sessions(room)
    local = [session for i in found if (session := _local(request, room, i)) is not None]
    listed: list[dict[str, Any]] = [
        msgspec.to_builtins(each)
        for each in await request.app[keys.SIGNALLING].connections.of(local)
    ]
    for session_id, record in found.items():
        if record.node != me:
            url = _elsewhere(request, bearer, room, session_id, record)
            listed.append({"session": session_id, **msgspec.to_builtins(record), "url": url})
    return web.json_response({"node": me, "connections": listed})


@routes.get("/api/v1/rooms/{room}/connections/{session}")
async def tell_connection(request: web.Request) -> web.Response:
    """One session in full; 307 to the node that has it."""
    room = peer_sessions.room_of(request)
    bearer = await bearers.require(request, room, "connection.read", NOT_YOURS, linked=True)
    session_id = SessionId(request.match_info["session"])
    session = _local(request, room, session_id)
    if session is not None:
        (found,) = await request.app[keys.SIGNALLING].connections.of([session])
        return web.json_response(msgspec.to_builtins(found))
    record = (await request.app[keys.REALTIME].live.sessions(room)).get(session_id)
    if record is None:
        raise RoomError(Code.NOT_FOUND, "There is no such session in this room. List them again.")
    url = _elsewhere(request, bearer, room, session_id, record)
    if url is None:
        raise RoomError(
            Code.UNAVAILABLE,
            f"The node {record.node} of this session is away. Try again in a moment.",
            retry_after_s=5.0,
        )
    raise web.HTTPTemporaryRedirect(url)


def _local(request: web.Request, room: RoomId, session_id: SessionId) -> Session | None:
    session = request.app[keys.REALTIME].sessions.get(session_id)
    return session if session is not None and session.room == room else None


def _elsewhere(
    request: web.Request, bearer: Bearer, room: RoomId, session: SessionId, record: SessionRecord
) -> str | None:
    """Link to a session at its node; None while that is away."""
    node = request.app[keys.REALTIME].nodes.find(NodeId(record.node))
    if node is None or node.id == request.app[keys.REALTIME].nodes.me.id:
        return None
    path = f"/api/v1/rooms/{room}/connections/{session}"
    return f"{node.url}{path}?ticket={tickets.issue(request.app[keys.SETTINGS], bearer, path)}"
