"""``/api/v1/rooms/{room}/recordings``: what was recorded, for moderators of the room, and the files.

Files lie on the node that wrote them; any other sends the asker there.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from rooms.errors import Code, RoomError
from rooms.ids import RecordingId
from server import keys, tickets
from server.http import bearers, peer_sessions
from server.recording.recordings import MANIFEST
from server.store import StoredRecording
from server.tickets import Bearer

routes = web.RouteTableDef()

TYPES = {"webm": "video/webm", "mkv": "video/x-matroska", "json": "application/json"}
NOT_YOURS = "Only moderators of this room see its recordings."


@routes.get("/api/v1/rooms/{room}/recordings")
async def list_recordings(request: web.Request) -> web.Response:
    """Every recording of the room, newest first, each file with a link that works for an hour."""
    room = peer_sessions.room_of(request)
    bearer = await bearers.require(request, room, "recording.read", NOT_YOURS)
    found = await request.app[keys.STORE].recordings.of_room(room)
    return web.json_response({"recordings": [_listed(request, bearer, each) for each in found]})


@routes.get("/api/v1/rooms/{room}/recordings/{recording}/{file}")
async def download(request: web.Request) -> web.StreamResponse:
    """One file, or ``manifest.json``, whole or a range (RFC 9110 §14); 307 to the node that has it."""
    room = peer_sessions.room_of(request)
    bearer = await bearers.require(request, room, "recording.read", NOT_YOURS, linked=True)
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
        raise RoomError(
            Code.NOT_FOUND, "This file is not on the disk any more. List the recordings again."
        )
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
    await bearers.require(
        request, room, "recording.delete", "Only moderators of this room delete its recordings."
    )
    recording = RecordingId(request.match_info["recording"])
    stored = await request.app[keys.STORE].recordings.get(room, recording)
    if stored is None:
        raise RoomError(Code.NOT_FOUND, "There is no such recording. List them again.")
    if stored.ended_ms is None:
        raise RoomError(Code.CONFLICT, "This recording runs still. Stop it first.")
    await request.app[keys.RECORDINGS].disposal.delete(stored)
    return web.Response(status=204)


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
        f"The file lies on the node {stored.recording.node}, which is away. Try again later.",
        retry_after_s=30.0,
    )
