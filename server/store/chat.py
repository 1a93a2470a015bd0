"""Chat messages, as rows numbered per room from 1 without gaps."""

from __future__ import annotations

import secrets

from sqlalchemy import RowMapping, select, update

from rooms.errors import Code, RoomError
from rooms.ids import Identity, MessageId, RoomId
from rooms.live import Message
from server.store.database import Database, Transaction
from server.store.tables import messages, rooms


class ChatStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self,
        room: RoomId,
        *,
        identity: Identity,
        name: str,
        text: str,
        sent_ms: int,
        command_id: str,
    ) -> Message:
        """Save a message under the room's next number.

        Repeated with the same ``(room, identity, command_id)``, it saves
        nothing and returns the message saved first.

        Raises:
            RoomError: NOT_FOUND, there is no such room; BAD_COMMAND, the text
                holds a zero character, which PostgreSQL cannot store; CONFLICT,
                the ``command_id`` was another message's.
        """
        if "\0" in text or "\0" in name:
            raise RoomError(Code.BAD_COMMAND, "A message cannot hold the zero character.")

        async def work(transaction: Transaction) -> Message:
            # The room's row is locked first, so whoever else appends here, in
            # whatever process, waits: numbers come in commit order, and a
            # repeat sees what the first try saved.
            count = await transaction.scalar(
                select(rooms.c.message_count)
                .where(rooms.c.id == room)
                .with_for_update(key_share=True)
            )
            if count is None:
                raise RoomError(Code.NOT_FOUND, "There is no such room.")
            earlier = await transaction.execute(
                select(messages).where(
                    messages.c.room == room,
                    messages.c.identity == identity,
                    messages.c.command_id == command_id,
                )
            )
            if (row := earlier.mappings().one_or_none()) is not None:
                if row["text"] != text:
                    raise RoomError(
                        Code.CONFLICT,
                        "Another message of yours had this command id; send it with a new one.",
                    )
                return _message(row)
            message = Message(
                id=MessageId(f"m_{secrets.token_hex(16)}"),
                number=count + 1,
                identity=identity,
                name=name,
                text=text,
                sent_ms=sent_ms,
            )
            await transaction.execute(
                messages.insert().values(
                    id=message.id,
                    room=room,
                    number=message.number,
                    identity=identity,
                    command_id=command_id,
                    name=name,
                    text=text,
                    sent_ms=sent_ms,
                )
            )
            await transaction.execute(
                update(rooms).where(rooms.c.id == room).values(message_count=message.number)
            )
            return message

        return await self._database.write(work)

    async def tail(self, room: RoomId, limit: int) -> list[Message]:
        """Read the last ``limit`` messages, oldest first."""
        found, _ = await self._page(room, None, limit)
        return found

    async def before(self, room: RoomId, number: int, limit: int) -> tuple[list[Message], bool]:
        """Read the ``limit`` messages before ``number``, oldest first; and whether more precede."""
        return await self._page(room, number, limit)

    async def _page(
        self, room: RoomId, before: int | None, limit: int
    ) -> tuple[list[Message], bool]:
        query = select(messages).where(messages.c.room == room)
        if before is not None:
            query = query.where(messages.c.number < before)
        query = query.order_by(messages.c.number.desc()).limit(limit)

        async def work(transaction: Transaction) -> list[Message]:
            rows = await transaction.execute(query)
            return [_message(row) for row in rows.mappings()]

        found = await self._database.read(work)
        found.reverse()
        return found, bool(found) and found[0].number > 1


def _message(row: RowMapping) -> Message:
    return Message(
        id=MessageId(row["id"]),
        number=row["number"],
        identity=Identity(row["identity"]),
        name=row["name"],
        text=row["text"],
        sent_ms=row["sent_ms"],
    )
