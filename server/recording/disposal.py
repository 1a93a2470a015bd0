"""Recordings that go: those a moderator deleted, and those older than the node keeps them.

Deleting hides a recording at once, from everybody (SQL remembers that). Its files lie on
one node, which removes them as soon as it hears of it, at the latest when it next looks:
also a node that was away.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from rooms.errors import RoomError
from rooms.ids import NodeId, RecordingId, RoomId
from server.realtime.nodes import Nodes
from server.realtime.scope import Scope
from server.signalling.reconcile import Steps
from server.store import Store, StoredRecording

KIND = "recording.deleted"
LOOK_S = 60.0
DAY_MS = 86_400_000

log = structlog.get_logger("recording")


class Disposal:
    """Owner: Recordings. Lifetime: its scope's.

    Args:
        days: how long a recording is kept after its end; 0 for ever.
        folder: where a recording's files are.
    """

    def __init__(
        self,
        nodes: Nodes,
        store: Store,
        scope: Scope,
        *,
        days: int,
        folder: Callable[[RoomId, RecordingId], Path],
    ) -> None:
        self._nodes = nodes
        self._store = store
        self._days = days
        self._folder = folder
        self._steps = Steps(scope, "deleted recordings", self._step)
        nodes.on(KIND, self._hear)
        scope.keep(self._look)

    async def delete(self, stored: StoredRecording) -> None:
        """Delete a recording that has ended.

        Raises:
            RoomError: UNAVAILABLE, and nothing is deleted.
        """
        await self._store.recordings.delete(stored.room, stored.recording.id, _now_ms())
        node = stored.recording.node
        if node == self._nodes.me.id:
            self._steps.wake()
            return
        try:
            await self._nodes.send(node, KIND, {})
        except RoomError as error:
            log.info("recording_deletion_untold", node=node, error=error.message)

    async def _hear(self, sender: NodeId, message: dict[str, Any]) -> None:
        self._steps.wake()

    async def _look(self) -> None:
        while True:
            self._steps.wake()
            await asyncio.sleep(LOOK_S)

    async def _step(self) -> None:
        me, now_ms = self._nodes.me.id, _now_ms()
        if self._days:
            await self._store.recordings.expire(me, now_ms - self._days * DAY_MS, now_ms)
        for stored in await self._store.recordings.deleted(me):
            recording = stored.recording
            try:
                await asyncio.to_thread(_remove, self._folder(stored.room, recording.id))
            except OSError as error:
                log.error("recording_not_deleted", recording=recording.id, error=str(error))
                continue
            await self._store.recordings.remove(recording.id)
            log.info("recording_deleted", room=stored.room, recording=recording.id)


def _remove(folder: Path) -> None:
    """Raises OSError; a folder that is gone already is fine."""
    if folder.exists():
        shutil.rmtree(folder)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
