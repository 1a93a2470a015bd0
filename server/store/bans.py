"""Removals, as rows: who may not come back into which room."""

from __future__ import annotations

from sqlalchemy import delete, exists, select

from rooms.ids import Identity, RoomId
from server.store.database import Database, Transaction
from server.store.tables import bans


class BanStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, room: RoomId, identity: Identity, *, by: Identity, at_ms: int) -> None:
        """Keep ``identity`` out of ``room`` from now on. The first removal is the one kept."""

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                transaction.insert(bans)
                .values(room=room, identity=identity, removed_by=by, removed_ms=at_ms)
                .on_conflict_do_nothing(index_elements=["room", "identity"])
            )

        await self._database.write(work)

    async def is_banned(self, room: RoomId, identity: Identity) -> bool:
        """Tell whether ``identity`` was removed from ``room``."""

        async def work(transaction: Transaction) -> bool:
            query = select(exists().where(bans.c.room == room, bans.c.identity == identity))
            return bool(await transaction.scalar(query))

        return await self._database.read(work)

    async def lift(self, room: RoomId, identity: Identity) -> None:
        """Let ``identity`` into ``room`` again."""

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                delete(bans).where(bans.c.room == room, bans.c.identity == identity)
            )

        await self._database.write(work)
