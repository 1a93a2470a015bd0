"""Recordings on paper: what they are asked is remembered, nothing is written."""

from __future__ import annotations

from rooms.ids import Identity, NodeId, RecordingId, RoomId
from rooms.live import Recording, RecordingScope


class Paper:
    """Takes recordings and writes nothing, remembering what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Recording]] = []

    async def prepare(
        self, room: RoomId, scope: RecordingScope, by: Identity, at_ms: int
    ) -> Recording:
        recording = Recording(
            id=RecordingId(f"r_{len(self.asked)}"), scope=scope, by=by, started_ms=at_ms,
            node=NodeId("gz"),
        )  # fmt: skip
        self.asked.append(("prepare", recording))
        return recording

    async def begin(self, room: RoomId, recording: Recording) -> None:
        self.asked.append(("begin", recording))

    async def discard(self, room: RoomId, recording: Recording) -> None:
        self.asked.append(("discard", recording))
