"""SQL, the truth: rooms, chat, removals and recordings, on SQLite or PostgreSQL alike.

``Store`` is the composition: it migrates the database, then owns one engine
and the stores on it. The stores fulfil the ports in ``rooms.ports``. No rule
of the domain lives here, and no SQL lives anywhere else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.store.bans import BanStore
from server.store.chat import ChatStore
from server.store.database import Database, StoreUnavailable
from server.store.recordings import RecordingStore, StoredRecording
from server.store.rooms import RoomStore
from server.store.schema import migrate

__all__ = [
    "BanStore",
    "ChatStore",
    "RecordingStore",
    "RoomStore",
    "Store",
    "StoreUnavailable",
    "StoredRecording",
]


class Store:
    """The stores of one database. Owner: the application; lifetime: the process.

    Every method of the stores may be repeated without a second effect, so a
    statement that a lost connection or a conflict cut short is tried again
    inside. What still fails raises StoreUnavailable, whose code is
    ``unavailable``: nothing was saved, or a repeat finds it saved.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.rooms = RoomStore(database)
        self.chat = ChatStore(database)
        self.bans = BanStore(database)
        self.recordings = RecordingStore(database)

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str) -> AsyncIterator[Store]:
        """Migrate the database to this program's version and open it.

        Args:
            database_url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.

        Raises:
            StoreUnavailable: it cannot be reached, used or understood; the
                message names the address without its password.
        """
        await migrate(database_url)
        async with Database.open(database_url) as database:
            yield cls(database)

    async def check(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: there was none.
        """
        await self._database.check()
