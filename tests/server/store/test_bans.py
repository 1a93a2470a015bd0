from __future__ import annotations

from server.store import Store
from tests.server.store.samples import KENJI, LI, hall


async def test_a_removal_holds_in_its_room_only(store: Store) -> None:
    for name in ("one", "two"):
        await store.rooms.create(hall(name))
    await store.bans.add(hall("one").id, KENJI, by=LI, at_ms=1)
    assert await store.bans.is_banned(hall("one").id, KENJI)
    assert not await store.bans.is_banned(hall("two").id, KENJI)
    assert not await store.bans.is_banned(hall("one").id, LI)


async def test_a_removal_may_be_repeated_and_lifted(store: Store) -> None:
    await store.rooms.create(hall())
    await store.bans.add(hall().id, KENJI, by=LI, at_ms=1)
    await store.bans.add(hall().id, KENJI, by=LI, at_ms=2)
    await store.bans.lift(hall().id, KENJI)
    assert not await store.bans.is_banned(hall().id, KENJI)
    await store.bans.lift(hall().id, KENJI)
