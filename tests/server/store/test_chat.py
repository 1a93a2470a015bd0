from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from server.store import Store
from tests.server.store.samples import KENJI, LI, hall, say

ROOM = hall().id
ROOT = Path(__file__).parents[3]


async def test_a_message_comes_back_as_it_was_saved(store: Store) -> None:
    await store.rooms.create(hall())
    text = "你好 👩‍🚀 'quoted' \\ %s :name\n二行目"
    saved = await say(store, text)
    assert (saved.number, saved.text, saved.identity, saved.name) == (1, text, LI, "李娜")
    assert await store.chat.tail(ROOM, 50) == [saved]


async def test_numbers_count_per_room_from_one(store: Store) -> None:
    for name in ("one", "two"):
        await store.rooms.create(hall(name))
        assert [(await say(store, text, room=name)).number for text in "abc"] == [1, 2, 3]


async def test_a_repeated_command_is_answered_with_the_first_message(store: Store) -> None:
    await store.rooms.create(hall())
    first = await say(store, "hello", command_id="c-1")
    assert await say(store, "hello", command_id="c-1") == first
    assert (await say(store, "next", command_id="c-2")).number == 2
    assert (await say(store, "by another", command_id="c-1", identity=KENJI)).number == 3


async def test_another_message_under_a_used_command_id_is_refused_not_lost(store: Store) -> None:
    """It was answered with the first message, so a client that counts from 1 lost the new one."""
    await store.rooms.create(hall())
    first = await say(store, "hello", command_id="c-1")
    with pytest.raises(RoomError) as caught:
        await say(store, "something else", command_id="c-1")
    assert caught.value.code is Code.CONFLICT
    assert await store.chat.tail(ROOM, 50) == [first]


async def test_messages_at_once_are_numbered_without_gaps_and_saved_once(store: Store) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    commands = [f"c-{n}" for n in range(20)] * 3
    random.Random(seed).shuffle(commands)
    await store.rooms.create(hall())
    answers = await asyncio.gather(*(say(store, f"text of {c}", command_id=c) for c in commands))
    tail = await store.chat.tail(ROOM, 100)
    assert [message.number for message in tail] == list(range(1, 21))
    by_text = {message.text: message for message in tail}
    assert len(by_text) == 20
    assert all(answer == by_text[answer.text] for answer in answers)


APPEND_IN_ANOTHER_PROCESS = """
import asyncio, sys
from server.store import Store
from tests.server.store.samples import say

async def main(url, name):
    async with Store.open(url) as store:
        await asyncio.gather(*(say(store, f"{name}-{n}") for n in range(15)))
        await asyncio.gather(*(say(store, f"shared-{n}") for n in range(5)))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
async def test_processes_share_the_numbering(store: Store, database_url: str) -> None:
    await store.rooms.create(hall())
    others = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", APPEND_IN_ANOTHER_PROCESS, database_url, name, cwd=ROOT
        )
        for name in ("one", "two", "three")
    ]
    assert [await other.wait() for other in others] == [0, 0, 0]
    tail = await store.chat.tail(ROOM, 100)
    assert [message.number for message in tail] == list(range(1, 51))
    assert len({message.text for message in tail}) == 50


async def test_the_tail_is_the_newest_messages_oldest_first(store: Store) -> None:
    await store.rooms.create(hall())
    saved = [await say(store, str(n)) for n in range(5)]
    assert await store.chat.tail(ROOM, 3) == saved[2:]


@pytest.mark.parametrize(
    ("before", "limit", "numbers", "more"),
    [(6, 2, [4, 5], True), (4, 3, [1, 2, 3], False), (2, 9, [1], False), (1, 9, [], False)],
)
async def test_history_pages_backwards(
    store: Store, before: int, limit: int, numbers: list[int], more: bool
) -> None:
    await store.rooms.create(hall())
    for n in range(5):
        await say(store, str(n))
    found, has_more = await store.chat.before(ROOM, before, limit)
    assert [message.number for message in found] == numbers
    assert has_more is more


async def test_chat_in_an_unknown_room_is_refused(store: Store) -> None:
    with pytest.raises(RoomError) as refused:
        await say(store, "hello", room="nowhere")
    assert refused.value.code is Code.NOT_FOUND
    assert await store.chat.tail(RoomId("nowhere"), 50) == []


async def test_a_zero_character_is_refused_whatever_the_database(store: Store) -> None:
    await store.rooms.create(hall())
    with pytest.raises(RoomError) as refused:
        await say(store, "a\0b")
    assert refused.value.code is Code.BAD_COMMAND


async def test_a_cancelled_message_leaves_no_gap(store: Store) -> None:
    await store.rooms.create(hall())
    for n in range(8):
        task = asyncio.create_task(say(store, f"cancelled-{n}"))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await say(store, "last")
    tail = await store.chat.tail(ROOM, 50)
    assert [message.number for message in tail] == list(range(1, len(tail) + 1))
    assert tail[-1].text == "last"
