"""Asks the permission table about people who are present."""

from __future__ import annotations

from rooms.errors import Code, RoomError
from rooms.ids import Identity
from rooms.live import Live, Participant
from rooms.permissions import allows


def require(live: Live, identity: Identity, act: str) -> Participant:
    """Return the person if they may do ``act`` in this room now.

    Raises:
        RoomError: NOT_JOINED, FORBIDDEN.
    """
    person = live.participants.get(identity)
    if person is None:
        raise RoomError(Code.NOT_JOINED, "Enter the room first.")
    if not allows(act, person.role, live.room.kind, floor=person.floor):
        raise RoomError(
            Code.FORBIDDEN, f"A {person.role} may not do this here ({act}); ask a moderator."
        )
    return person


def present(live: Live, identity: Identity) -> Participant:
    """Return the person an act is about.

    Raises:
        RoomError: NOT_FOUND.
    """
    person = live.participants.get(identity)
    if person is None:
        raise RoomError(Code.NOT_FOUND, "This person is not in the room.")
    return person
