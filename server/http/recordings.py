"""``/api/v1/rooms/{room}/recordings``: what was recorded, for moderators of the room, and the files.

Files lie on the node that wrote them; any other sends the asker there.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from rooms.errors import Code, RoomError
from rooms.ids import RecordingId, RoomId
from rooms.permissions import allows
from server import keys, tickets
from server.http import peer_sessions
from server.http.rooms_api import grant_of
from server.recording.recordings import MANIFEST
from server.store import StoredRecording
from server.tickets import Bearer

routes = web.RouteTableDef()

TYPES = {"webm": "video/webm", "mkv": "video/x-matroska", "json": "application/json"}


@routes.get("/api/v1/rooms/{room}/recordings")
async def list_recordings(request: web.Request) -> web.Response:
    """Every recording of the room, newest first, each file with a link that works for an hour."""
    room = peer_sessions.room_of(request)
    bearer = _bearer_by_token(request, room)
    await _require(request, bearer, room)
    found = await request.app[keys.STORE].recordings.of_room(room)
    return web.json_response({"recordings": [_listed(request, bearer, each) for each in found]})


@routes.get("/api/v1/rooms/{room}/recordings/{recording}/{file}")
async def download(request: web.Request) -> web.StreamResponse:
    """One file, or ``manifest.json``, whole or a range (RFC 9110 §14); 307 to the node that has it."""
    room = peer_sessions.room_of(request)
    ticket = request.query.get("ticket")
    if ticket is None:
        bearer = _bearer_by_token(request, room)
    else:
        bearer = tickets.check(request.app[keys.SETTINGS], ticket, request.path)
    await _require(request, bearer, room)
    recording = RecordingId(request.match_info["recording"])
    name = request.match_info["file"]
    stored = await request.app[keys.STORE].recordings.get(room, recording)
    # Only names that the recorder made: the address names nothing else.
    if stored is None or name not in {MANIFEST, *(file["name"] for file in stored.files)}:
        raise RoomError(Code.NOT_FOUND, "There is no such recording or file. List them again.")
    if stored.recording.node != request.app[keys.REALTIME].nodes.me.id:
        raise web.HTTPTemporaryRedirect(_elsewhere(request, bearer, stored))
    path = request.app[keys.RECORDINGS].folder(stored.room, stored.recording.id) / name
    if not path.is_file():
        raise RoomError(Code.NOT_FOUND, "This file is not on the disk any more.")
    return web.FileResponse(
        path,
        chunk_size=1 << 18,
        headers={
            "Content-Type": TYPES[name.rpartition(".")[2]],
            "Content-Disposition": f'attachment; filename="{room}-{name}"',
        },
    )


@routes.delete("/api/v1/rooms/{room}/recordings/{recording}")
async def delete_recording(request: web.Request) -> web.Response:
    """Delete a recording that has ended, on whichever node its files are: 204; 409 while it runs."""
    room = peer_sessions.room_of(request)
    await _require(request, _bearer_by_token(request, room), room, "recording.delete")
    recording = RecordingId(request.match_info["recording"])
    stored = await request.app[keys.STORE].recordings.get(room, recording)
    if stored is None:
        raise RoomError(Code.NOT_FOUND, "There is no such recording. List them again.")
    if stored.ended_ms is None:
        raise RoomError(Code.CONFLICT, "This recording runs still. Stop it first.")
    await request.app[keys.RECORDINGS].disposal.delete(stored)
    return web.Response(status=204)


def _bearer_by_token(request: web.Request, room: RoomId) -> Bearer:
    grant = grant_of(request)
    if not grant.opens(room):
        raise RoomError(Code.NOT_FOUND, "There is no such room.")
    return Bearer(identity=grant.identity, role=grant.role)


async def _require(
    request: web.Request, bearer: Bearer, room: RoomId, act: str = "recording.read"
) -> None:
    """Ask the permission table, with the role they have in the room while they are there.

    Raises:
        RoomError: NOT_FOUND, FORBIDDEN, REMOVED.
    """
    live = await request.app[keys.REALTIME].live.view(room)
    person = live.participants.get(bearer.identity)
    role = person.role if person is not None else bearer.role
    if not allows(act, role, live.room.kind):
        raise RoomError(Code.FORBIDDEN, "Only moderators of this room see its recordings.")
    if await request.app[keys.STORE].bans.is_banned(room, bearer.identity):
        raise RoomError(Code.REMOVED, "A moderator removed you from this room.")


def _listed(request: web.Request, bearer: Bearer, stored: StoredRecording) -> dict[str, Any]:
    recording = stored.recording
    return {
        "id": recording.id,
        "scope": str(recording.scope),
        "by": recording.by,
        "node": recording.node,
        "started_ms": recording.started_ms,
        "ended_ms": stored.ended_ms,
        "reason": stored.reason,
        "files": [
            {**file, "url": _link(request, bearer, stored, file["name"])} for file in stored.files
        ],
    }


def _link(request: web.Request, bearer: Bearer, stored: StoredRecording, name: str) -> str:
    path = f"/api/v1/rooms/{stored.room}/recordings/{stored.recording.id}/{name}"
    return f"{path}?ticket={tickets.issue(request.app[keys.SETTINGS], bearer, path)}"


def _elsewhere(request: web.Request, bearer: Bearer, stored: StoredRecording) -> str:
    for node in request.app[keys.REALTIME].nodes.alive():
        if node.id == stored.recording.node:
            return node.url + _link(request, bearer, stored, request.match_info["file"])
    raise RoomError(
        Code.UNAVAILABLE,
        f"The file lies on the node {stored.recording.node}, which is away.",
        retry_after_s=30.0,
    )
