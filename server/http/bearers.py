"""Who asks for something of a room by HTTP: by their token, or by a link that was made for them."""

from __future__ import annotations

from aiohttp import web

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from rooms.permissions import allows
from server import keys, tickets
from server.http.rooms_api import grant_of
from server.tickets import Bearer


async def require(
    request: web.Request, room: RoomId, act: str, refusal: str, *, linked: bool = False
) -> Bearer:
    """Ask the permission table, with the role they have in the room while they are there.

    Args:
        refusal: what to say to whom the table refuses.
        linked: links to this path are given out, with a ticket in place of a token.

    Raises:
        RoomError: BAD_TOKEN, NOT_FOUND, FORBIDDEN, REMOVED.
    """
    ticket = request.query.get("ticket") if linked else None
    if ticket is None:
        grant = grant_of(request)
        if not grant.opens(room):
            raise RoomError(Code.NOT_FOUND, "There is no such room.")
        bearer = Bearer(identity=grant.identity, role=grant.role)
    else:
        bearer = tickets.check(request.app[keys.SETTINGS], ticket, request.path)
    live = await request.app[keys.REALTIME].live.view(room)
    person = live.participants.get(bearer.identity)
    role = person.role if person is not None else bearer.role
    if not allows(act, role, live.room.kind):
        raise RoomError(Code.FORBIDDEN, refusal)
    if await request.app[keys.STORE].bans.is_banned(room, bearer.identity):
        raise RoomError(Code.REMOVED, "A moderator removed you from this room.")
    return bearer
