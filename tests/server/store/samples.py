"""Rooms and messages for the store's tests."""

from __future__ import annotations

from rooms.ids import Identity, RoomId
from rooms.live import Message, Room, RoomKind
from server.store import Store

LI = Identity("li.na")
KENJI = Identity("kenji.sato")


def hall(room: str = "guangzhou-hall", created_ms: int = 1_795_190_400_000) -> Room:
    return Room(
        id=RoomId(room),
        kind=RoomKind.HALL,
        names={"zh": "广州主会场", "en": "Guangzhou hall", "ja": "広州ホール 🎤"},
        city="guangzhou",
        zone="Asia/Shanghai",
        created_ms=created_ms,
    )


async def say(
    store: Store,
    text: str,
    *,
    room: str = "guangzhou-hall",
    identity: Identity = LI,
    command_id: str | None = None,
) -> Message:
    return await store.chat.append(
        RoomId(room),
        identity=identity,
        name="李娜",
        text=text,
        sent_ms=1_795_190_520_000,
        command_id=text if command_id is None else command_id,
    )
