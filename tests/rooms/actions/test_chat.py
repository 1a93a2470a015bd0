"""Chat, on a real store and a real Redis."""

from __future__ import annotations

import asyncio

import pytest

from rooms import actions
from rooms.actions.chat import clean
from rooms.commands import ChatHistory, ChatSend
from rooms.errors import Code, RoomError
from rooms.events import ChatPosted
from tests.server.guests import until
from tests.server.realtime.venue import Node


async def test_messages_are_numbered_stored_and_told_in_order(node: Node) -> None:
    heard = node.hear()
    sent = await asyncio.gather(
        *(node.act(actions.send_chat, "lin", ChatSend(text=f"{n}"), f"c{n}") for n in range(10))
    )
    assert sorted(m.number for m in sent) == list(range(1, 11))
    await until(lambda: len(node.live().messages) == 10, "ten messages")
    assert [m.number for m in node.live().messages] == list(range(1, 11))
    assert len([e for e in heard if isinstance(e, ChatPosted)]) == 10
    page, more = await node.act(actions.chat_history, "vic", ChatHistory(before=6, limit=3))
    assert ([m.number for m in page], more) == ([3, 4, 5], True)


async def test_a_repeated_command_says_nothing_twice(node: Node) -> None:
    first = await node.act(actions.send_chat, "lin", ChatSend(text="once"), "c1")
    again = await node.act(actions.send_chat, "lin", ChatSend(text="once"), "c1")
    other = await node.act(actions.send_chat, "ada", ChatSend(text="mine"), "c1")
    assert first == again
    assert other.number == 2
    await until(lambda: len(node.live().messages) == 2, "two messages")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  hello \r\n world\r", "hello \n world"),
        ("\x00a\x07b\x1b[31m", "ab[31m"),
        ("👩‍👩‍👧 こんにちは 云海", "👩‍👩‍👧 こんにちは 云海"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
    ],
)
def test_text_stays_text(text: str, kept: str) -> None:
    assert clean(text) == kept


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x01", "\u3000"])
def test_nothing_is_no_message(text: str) -> None:
    with pytest.raises(RoomError) as caught:
        clean(text)
    assert caught.value.code is Code.BAD_COMMAND


@pytest.mark.parametrize(("before", "limit"), [(0, 10), (-1, 10), (5, 0), (5, 101)])
async def test_an_impossible_page_is_refused(node: Node, before: int, limit: int) -> None:
    with pytest.raises(RoomError) as caught:
        await node.act(actions.chat_history, "lin", ChatHistory(before=before, limit=limit))
    assert caught.value.code is Code.BAD_COMMAND
