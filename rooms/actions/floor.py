"""Hands, the floor, the stage and roles."""

from __future__ import annotations

from rooms.actions.permission import present, require
from rooms.commands import FloorGive, FloorTake, HandLower, RoleSet, StageSet
from rooms.errors import Code, RoomError
from rooms.events import (
    Event,
    FloorGiven,
    FloorTaken,
    HandLowered,
    HandRaised,
    RoleChanged,
    StageChanged,
)
from rooms.live import Live, Role
from rooms.ports import Actor, Ports


async def raise_hand(ports: Ports, actor: Actor) -> None:
    """Ask for the floor. A hand that is up stays where it is in the queue.

    Raises:
        RoomError: FORBIDDEN.
    """
    now_ms = ports.clock()

    def rule(live: Live) -> Event | None:
        person = require(live, actor.identity, "hand.raise")
        if person.hand_ms is not None:
            return None
        return HandRaised(identity=actor.identity, at_ms=now_ms)

    await ports.live.update(actor.room, rule)


async def lower_hand(ports: Ports, actor: Actor, command: HandLower) -> None:
    """Lower one's own hand, or as a moderator somebody's.

    Raises:
        RoomError: FORBIDDEN, NOT_FOUND.
    """
    identity = command.identity or actor.identity
    act = "hand.lower" if identity == actor.identity else "hand.lower.other"

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, act)
        if present(live, identity).hand_ms is None:
            return None
        return HandLowered(identity=identity)

    await ports.live.update(actor.room, rule)


async def give_floor(ports: Ports, actor: Actor, command: FloorGive) -> None:
    """Let a person publish where only presenters may.

    Raises:
        RoomError: FORBIDDEN, NOT_FOUND; CONFLICT for a viewer, who never publishes.
    """

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, "floor.give")
        person = present(live, command.identity)
        if person.role is Role.VIEWER:
            raise RoomError(Code.CONFLICT, "A viewer cannot take the floor; change the role first.")
        if person.floor and person.hand_ms is None:
            return None
        return FloorGiven(identity=command.identity, by=actor.identity)

    await ports.live.update(actor.room, rule)


async def take_floor(ports: Ports, actor: Actor, command: FloorTake) -> None:
    """End what ``give_floor`` gave.

    Raises:
        RoomError: FORBIDDEN, NOT_FOUND.
    """

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, "floor.take")
        if not present(live, command.identity).floor:
            return None
        return FloorTaken(identity=command.identity, by=actor.identity)

    await ports.live.update(actor.room, rule)


async def set_stage(ports: Ports, actor: Actor, command: StageSet) -> None:
    """Put a person on stage, or clear it.

    Raises:
        RoomError: FORBIDDEN, NOT_FOUND.
    """

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, "stage.set")
        if command.identity is not None:
            present(live, command.identity)
        return None if live.stage == command.identity else StageChanged(identity=command.identity)

    await ports.live.update(actor.room, rule)


async def set_role(ports: Ports, actor: Actor, command: RoleSet) -> None:
    """Change what a person may do here; it stays with them when they come back.

    Raises:
        RoomError: FORBIDDEN, NOT_FOUND; CONFLICT when the room would lose its last moderator.
    """

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, "role.set")
        person = present(live, command.identity)
        if person.role is command.role:
            return None
        moderators = [p for p in live.participants.values() if p.role is Role.MODERATOR]
        if moderators == [person]:
            raise RoomError(
                Code.CONFLICT, "The room's last moderator stays one; appoint another first."
            )
        return RoleChanged(identity=command.identity, role=command.role, by=actor.identity)

    await ports.live.update(actor.room, rule)
