from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from server.store import Store
from tests.server.store.samples import hall


async def test_a_room_comes_back_as_it_was_saved(store: Store) -> None:
    await store.rooms.create(hall())
    assert await store.rooms.get(hall().id) == hall()


async def test_an_unknown_room_is_none(store: Store) -> None:
    assert await store.rooms.get(RoomId("nowhere")) is None


async def test_a_taken_id_is_refused(store: Store) -> None:
    await store.rooms.create(hall())
    with pytest.raises(RoomError) as refused:
        await store.rooms.create(replace(hall(), city="tokyo"))
    assert refused.value.code is Code.EXISTS
    assert await store.rooms.get(hall().id) == hall()


async def test_creating_the_same_room_again_is_the_same_answer(store: Store) -> None:
    await store.rooms.create(hall())
    await store.rooms.create(hall())


async def test_ensuring_many_times_at_once_gives_everybody_the_same_room(store: Store) -> None:
    rooms = await asyncio.gather(*(store.rooms.ensure(hall(created_ms=n)) for n in range(1, 11)))
    assert len({room.created_ms for room in rooms}) == 1
    assert await store.rooms.list() == [rooms[0]]


async def test_rooms_are_listed_oldest_first(store: Store) -> None:
    for name, created_ms in (("b", 2), ("c", 1), ("a", 2)):
        await store.rooms.create(hall(name, created_ms))
    assert [room.id for room in await store.rooms.list()] == ["c", "a", "b"]
