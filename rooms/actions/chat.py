"""Saying things, and reading what was said."""

from __future__ import annotations

import unicodedata

from rooms.actions.permission import require
from rooms.commands import ChatHistory, ChatSend
from rooms.errors import Code, RoomError
from rooms.events import ChatPosted
from rooms.live import Message
from rooms.ports import Actor, Ports

PAGE = 100
"""Messages in one page of history at most."""


async def send_chat(ports: Ports, actor: Actor, command: ChatSend, command_id: str) -> Message:
    """Save a message, then tell everybody. A repeated ``command_id`` says nothing twice.

    Raises:
        RoomError: FORBIDDEN; BAD_COMMAND for nothing but blanks.
    """
    person = require(await ports.live.view(actor.room), actor.identity, "chat.send")
    message = await ports.stores.chat.append(
        actor.room,
        identity=actor.identity,
        name=person.name,
        text=clean(command.text),
        sent_ms=ports.clock(),
        command_id=command_id,
    )
    await ports.live.publish(actor.room, ChatPosted(message=message))
    return message


def clean(text: str) -> str:
    """Trim a message and take out what nobody can see: control characters, but not line breaks.

    Raises:
        RoomError: BAD_COMMAND when nothing is left.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    text = text.strip()
    if not text:
        raise RoomError(Code.BAD_COMMAND, "The message is empty; write something first.")
    return text


async def chat_history(
    ports: Ports, actor: Actor, command: ChatHistory
) -> tuple[list[Message], bool]:
    """Read a page of messages before a number, oldest first; and whether more precede.

    Raises:
        RoomError: FORBIDDEN; BAD_COMMAND for an impossible page.
    """
    require(await ports.live.view(actor.room), actor.identity, "chat.history")
    if command.before < 1 or not 1 <= command.limit <= PAGE:
        raise RoomError(
            Code.BAD_COMMAND, f"A page holds 1 to {PAGE} messages before a number from 1 up."
        )
    return await ports.stores.chat.before(actor.room, command.before, command.limit)
