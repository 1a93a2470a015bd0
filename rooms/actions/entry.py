"""Coming in, and being sent out."""

from __future__ import annotations

from typing import Literal

from rooms.actions.permission import require
from rooms.commands import ParticipantRemove
from rooms.errors import Code, RoomError
from rooms.ids import Identity
from rooms.live import Role, Room
from rooms.permissions import allows
from rooms.ports import Actor, Ports, Stores

Entrance = Literal["socket", "whip", "whep"]

_ACTS: dict[Entrance, str] = {"socket": "room.join", "whip": "whip.publish", "whep": "whep.play"}


async def admit(
    stores: Stores, room: Room, identity: Identity, role: Role, entrance: Entrance
) -> None:
    """Let a token's bearer through the door, or say why not.

    Args:
        role: the token's; of who is inside already, the room's own word.

    Raises:
        RoomError: FORBIDDEN, REMOVED.
    """
    act = _ACTS[entrance]
    if not allows(act, role, room.kind):
        raise RoomError(Code.FORBIDDEN, f"A {role} may not do this here ({act}).")
    if await stores.bans.is_banned(room.id, identity):
        raise RoomError(
            Code.REMOVED, "A moderator removed you from this room; write to the organisers."
        )


async def remove(ports: Ports, actor: Actor, command: ParticipantRemove) -> None:
    """Send a person out of the room for good, also one who is not in it now.

    Raises:
        RoomError: FORBIDDEN; BAD_COMMAND for oneself.
    """
    require(await ports.live.view(actor.room), actor.identity, "participant.remove")
    if command.identity == actor.identity:
        raise RoomError(Code.BAD_COMMAND, "You cannot remove yourself; leave the room instead.")
    await ports.stores.bans.add(
        actor.room, command.identity, by=actor.identity, at_ms=ports.clock()
    )
    await ports.live.remove(actor.room, command.identity)
