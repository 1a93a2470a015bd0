"""How encoders and players enter a room; one that does not exist is made if the token may."""

from __future__ import annotations

import time

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from rooms.live import Room, RoomKind
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
    try:
        return await realtime.sessions.open(room, grant, kind)
    except RoomError as error:
        if error.code is not Code.NOT_FOUND or not grant.may_create:
            raise
    await realtime.stores.rooms.ensure(
        Room(
            id=room,
            kind=RoomKind.LOBBY,
            names={"en": room},
            city="",
            zone="UTC",
            created_ms=time.time_ns() // 1_000_000,
        )
    )
    return await realtime.sessions.open(room, grant, kind)
