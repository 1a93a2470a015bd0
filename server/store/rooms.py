"""Rooms, as rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, select

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from rooms.live import Room, RoomKind
from server.store import tables
from server.store.database import Database, Transaction


class RoomStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, room: Room) -> None:
        """Save a new room.

        Raises:
            RoomError: EXISTS, there is another room with this id.
        """
        if await self.ensure(room) != room:
            raise RoomError(Code.EXISTS, f"There is a room {room.id} already; choose another id.")

    async def ensure(self, room: Room) -> Room:
        """Save ``room`` unless its id is taken; return the room that has the id."""

        async def work(transaction: Transaction) -> Room:
            await transaction.execute(
                transaction.insert(tables.rooms)
                .values(_row(room))
                .on_conflict_do_nothing(index_elements=["id"])
            )
            return await _require(transaction, room.id)

        return await self._database.write(work)

    async def get(self, room: RoomId) -> Room | None:
        """Read one room, or None."""

        async def work(transaction: Transaction) -> Room | None:
            return await _find(transaction, room)

        return await self._database.read(work)

    async def list(self) -> list[Room]:
        """Read every room, oldest first."""

        async def work(transaction: Transaction) -> list[Room]:
            rows = await transaction.execute(
                select(tables.rooms).order_by(tables.rooms.c.created_ms, tables.rooms.c.id)
            )
            return [_room(row) for row in rows.mappings()]

        return await self._database.read(work)


async def _find(transaction: Transaction, room: RoomId) -> Room | None:
    rows = await transaction.execute(select(tables.rooms).where(tables.rooms.c.id == room))
    row = rows.mappings().one_or_none()
    return None if row is None else _room(row)


async def _require(transaction: Transaction, room: RoomId) -> Room:
    found = await _find(transaction, room)
    if found is None:
        raise LookupError(f"room {room} vanished inside a transaction")
    return found


def _row(room: Room) -> dict[str, Any]:
    return {
        "id": room.id,
        "kind": room.kind.value,
        "names": room.names,
        "city": room.city,
        "zone": room.zone,
        "created_ms": room.created_ms,
    }


def _room(row: RowMapping) -> Room:
    return Room(
        id=RoomId(row["id"]),
        kind=RoomKind(row["kind"]),
        names=row["names"],
        city=row["city"],
        zone=row["zone"],
        created_ms=row["created_ms"],
    )
