"""Recordings, as rows: which there are, where they are written, what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, delete, select, update

from rooms.ids import Identity, NodeId, RecordingId, RoomId
from rooms.live import Recording, RecordingScope
from server.store.database import Database, Transaction
from server.store.tables import recordings

_KEPT = recordings.c.deleted_ms.is_(None)


@dataclass(frozen=True, kw_only=True)
class StoredRecording:
    """A recording that runs or ran.

    Attributes:
        ended_ms: None while it runs, or while nobody knows how it ended.
        reason: why it ended, "" before.
        files: as in its manifest; empty before its end.
    """

    room: RoomId
    recording: Recording
    ended_ms: int | None
    reason: str
    files: list[dict[str, Any]]


class RecordingStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, room: RoomId, recording: Recording) -> None:
        """Save a recording that is about to run."""

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                transaction.insert(recordings)
                .values(
                    id=recording.id,
                    room=room,
                    scope=recording.scope.value,
                    node=recording.node,
                    started_by=recording.by,
                    started_ms=recording.started_ms,
                    reason="",
                    files=[],
                )
                .on_conflict_do_nothing(index_elements=["id"])
            )

        await self._database.write(work)

    async def finish(
        self, recording: RecordingId, *, ended_ms: int, reason: str, files: list[dict[str, Any]]
    ) -> None:
        """Save how it ended. The first word counts."""

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                update(recordings)
                .where(recordings.c.id == recording, recordings.c.ended_ms.is_(None))
                .values(ended_ms=ended_ms, reason=reason, files=files)
            )

        await self._database.write(work)

    async def remove(self, recording: RecordingId) -> None:
        """Forget one that never ran, or whose files are gone."""

        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(recordings).where(recordings.c.id == recording))

        await self._database.write(work)

    async def delete(self, room: RoomId, recording: RecordingId, at_ms: int) -> None:
        """Hide an ended recording of a room from now on; its node deletes the files."""
        await self._delete(at_ms, recordings.c.id == recording, recordings.c.room == room)

    async def expire(self, node: NodeId, ended_before_ms: int, at_ms: int) -> None:
        """Delete, likewise, what a node recorded and ended before that time."""
        await self._delete(
            at_ms, recordings.c.node == node, recordings.c.ended_ms < ended_before_ms
        )

    async def of_room(self, room: RoomId) -> list[StoredRecording]:
        """Read a room's recordings, newest first."""
        return await self._select(recordings.c.room == room, _KEPT)

    async def get(self, room: RoomId, recording: RecordingId) -> StoredRecording | None:
        """Read one recording of a room, or None."""
        found = await self._select(recordings.c.room == room, recordings.c.id == recording, _KEPT)
        return found[0] if found else None

    async def deleted(self, node: NodeId) -> list[StoredRecording]:
        """Read those whose files a node still has to delete."""
        return await self._select(recordings.c.node == node, recordings.c.deleted_ms.is_not(None))

    async def unfinished(self, node: NodeId) -> list[StoredRecording]:
        """Read those that a node began and of whose end nothing is known."""
        return await self._select(recordings.c.node == node, recordings.c.ended_ms.is_(None))

    async def _delete(self, at_ms: int, *conditions: Any) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                update(recordings)
                .where(*conditions, recordings.c.ended_ms.is_not(None), _KEPT)
                .values(deleted_ms=at_ms)
            )

        await self._database.write(work)

    async def _select(self, *conditions: Any) -> list[StoredRecording]:
        query = (
            select(recordings)
            .where(*conditions)
            .order_by(recordings.c.started_ms.desc(), recordings.c.id.desc())
        )

        async def work(transaction: Transaction) -> list[StoredRecording]:
            rows = await transaction.execute(query)
            return [_stored(row) for row in rows.mappings()]

        return await self._database.read(work)


def _stored(row: RowMapping) -> StoredRecording:
    return StoredRecording(
        room=RoomId(row["room"]),
        recording=Recording(
            id=RecordingId(row["id"]),
            scope=RecordingScope(row["scope"]),
            by=Identity(row["started_by"]),
            started_ms=row["started_ms"],
            node=NodeId(row["node"]),
        ),
        ended_ms=row["ended_ms"],
        reason=row["reason"],
        files=row["files"],
    )
