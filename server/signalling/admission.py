"""How encoders and players enter a room."""

from __future__ import annotations

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from server.realtime.service import Realtime
from server.realtime.sessions import Session, SessionKind
from server.tokens import Grant


async def admit(realtime: Realtime, room: RoomId, grant: Grant, kind: SessionKind) -> Session:
    """Open a session of ``kind``.

    Raises:
        RoomError: FORBIDDEN (the token opens another room, whether this one exists
            or not), NOT_FOUND, REMOVED or UNAVAILABLE.
    """
    if not grant.opens(room):
        raise RoomError(Code.FORBIDDEN, "This token does not open this room. Ask for another one.")
    return await realtime.sessions.open(room, grant, kind)
