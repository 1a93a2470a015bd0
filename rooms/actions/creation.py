"""Making a room on purpose (tokens that may also make one on first use: see server.realtime.presence)."""

from __future__ import annotations

from rooms.errors import Code, RoomError
from rooms.live import Role, Room
from rooms.permissions import allows
from rooms.ports import Stores


async def create(stores: Stores, room: Room, *, role: Role, granted: bool) -> None:
    """Make a room.

    Args:
        role: the token's.
        granted: the token may create this room.

    Raises:
        RoomError: FORBIDDEN; EXISTS, there is another room with this id.
    """
    if not granted:
        raise RoomError(Code.FORBIDDEN, "This token does not create this room; ask an operator.")
    if not allows("room.create", role, room.kind):
        raise RoomError(Code.FORBIDDEN, f"A {role} may not create rooms; ask a moderator.")
    if await stores.rooms.ensure(room) != room:
        raise RoomError(Code.EXISTS, f"There is a room {room.id} already; choose another id.")
