"""Loads, feeds and heals the mirrors of the rooms this node has people in."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import structlog

from rooms.errors import Code, RoomError
from rooms.events import CHAT_TAIL
from rooms.ids import Identity, RoomId
from rooms.live import Live, Participant, Recording, Track
from rooms.ports import Stores
from server.realtime.bus import Bus
from server.realtime.codec import decode_bus, record_from
from server.realtime.delivery import Delivery
from server.realtime.link import RedisLink
from server.realtime.mirror import RoomMirror, RoomState
from server.realtime.scope import Scope

log = structlog.get_logger(__name__)

HEAL_PAUSE = 0.5


def fresh_epoch() -> str:
    """Propose an epoch, should the room turn out to have none."""
    return secrets.token_hex(8)


class Mirrors:
    """Owner: Realtime. One mirror per room, shared by all its local sessions.

    Attributes:
        restore: awaited when Redis has forgotten a room (another epoch), before
            it is read anew: opens this node's sessions there again.
    """

    def __init__(self, link: RedisLink, bus: Bus, stores: Stores, scope: Scope) -> None:
        self.restore: Callable[[RoomMirror], Awaitable[None]]
        self._link = link
        self._bus = bus
        self._stores = stores
        self._scope = scope
        self._mirrors: dict[RoomId, RoomMirror] = {}
        self._uses: defaultdict[RoomId, int] = defaultdict(int)
        # As long as somebody holds or awaits one: rooms that are asked for may not even exist.
        self._locks: WeakValueDictionary[RoomId, asyncio.Lock] = WeakValueDictionary()
        self._healing: set[RoomId] = set()
        bus.confirmed = self._confirmed

    def get(self, room: RoomId) -> RoomMirror | None:
        """Return the room's mirror if it has local sessions."""
        return self._mirrors.get(room)

    def __iter__(self) -> Iterator[RoomMirror]:
        return iter(list(self._mirrors.values()))

    async def acquire(self, room: RoomId) -> RoomMirror:
        """Return the room's mirror, loading it for the first user; ``release`` it after use.

        Raises:
            RoomError: NOT_FOUND, UNAVAILABLE.
        """
        self._uses[room] += 1
        try:
            async with self._lock(room):
                mirror = self._mirrors.get(room)
                if mirror is None:
                    await self._bus.subscribe(self._channel(room), self._receiver(room))
                    mirror = RoomMirror(room, await self.load(room), Delivery(self._scope))
                    self._mirrors[room] = mirror
                    # What came between subscribing and loading was dropped.
                    self.heal(mirror)
                return mirror
        except BaseException:
            self.release(room)
            raise

    def release(self, room: RoomId) -> None:
        self._uses[room] -= 1
        if self._uses[room] <= 0:
            self._scope.spawn(self._forget(room))

    async def _forget(self, room: RoomId) -> None:
        async with self._lock(room):
            if self._uses[room] > 0:
                return
            self._mirrors.pop(room, None)
            self._uses.pop(room, None)
            await self._bus.unsubscribe(self._channel(room))

    def _lock(self, room: RoomId) -> asyncio.Lock:
        return self._locks.setdefault(room, asyncio.Lock())

    async def load(self, room: RoomId) -> RoomState:
        """Read a room: its card, then the present from Redis at once, then the chat tail.

        In this order a message is either in the tail or numbered after ``seq``, or both.

        Raises:
            RoomError: NOT_FOUND, UNAVAILABLE.
        """
        return await self._load(room, self._link.run)

    async def journal(self, room: RoomId, epoch: str, after: int) -> list[bytes] | None:
        """Read the events after a number; None when they are not all there (any more).

        Raises:
            RoomError: UNAVAILABLE.
        """
        found: list[bytes] | None = await self._link.run("journal", room, epoch, after)
        return found

    async def _load(self, room: RoomId, run: Callable[..., Awaitable[Any]]) -> RoomState:
        card = await self._stores.rooms.get(room)
        if card is None:
            raise RoomError(Code.NOT_FOUND, "There is no such room.")
        epoch, seq, stage, recording, people, tracks, records = await run(
            "state", room, fresh_epoch()
        )
        persons = [msgspec.json.decode(raw, type=Participant) for raw in people]
        shown = {t.id: t for t in (msgspec.json.decode(raw, type=Track) for raw in tracks)}
        private = dict(zip(records[::2], records[1::2], strict=True))
        return RoomState(
            epoch=epoch.decode(),
            seq=int(seq),
            live=Live(
                room=card,
                participants={p.identity: p for p in sorted(persons, key=lambda p: p.joined_ms)},
                tracks=shown,
                stage=Identity(stage.decode()) or None,
                recording=msgspec.json.decode(recording, type=Recording) if recording else None,
                messages=tuple(await self._stores.chat.tail(room, CHAT_TAIL)),
            ),
            records={
                track.id: record_from(track, private[track.id.encode()]) for track in shown.values()
            },
        )

    def heal(self, mirror: RoomMirror) -> None:
        """Catch up in the background, as long as it takes."""
        if mirror.room not in self._healing:
            self._healing.add(mirror.room)
            self._scope.spawn(self._heal(mirror))

    async def _heal(self, mirror: RoomMirror) -> None:
        try:
            while self._mirrors.get(mirror.room) is mirror:
                try:
                    if await self.catch_up(mirror) and mirror.seq >= mirror.announced:
                        return
                except RoomError as error:
                    log.info("room_not_healed_yet", room=mirror.room, error=error.message)
                    await asyncio.sleep(HEAL_PAUSE)
        finally:
            self._healing.discard(mirror.room)

    async def catch_up(self, mirror: RoomMirror) -> bool:
        """Apply what the journal has beyond the mirror, or take the room anew.

        Returns:
            False when it was taken anew: events may have passed by meanwhile.

        Raises:
            RoomError: UNAVAILABLE.
        """
        room, epoch = mirror.room, mirror.epoch
        events = await self._link.insist("journal", room, epoch, mirror.seq)
        if events is not None:
            for raw in events:
                mirror.receive(decode_bus(raw))
            return True
        now, seq = (await self._link.insist("numbers", room))[0]
        if now.decode() == epoch and int(seq) < mirror.seq:
            await self._link.insist("renumber", room, epoch, mirror.seq, fresh_epoch())
            log.warning("room_renumbered", room=room, lost=mirror.seq - int(seq))
        elif now.decode() != epoch:
            await self.restore(mirror)
        state = await self._load(room, self._link.insist)
        if state.epoch != mirror.epoch or state.seq > mirror.seq:
            log.info("room_read_anew", room=room, epoch=state.epoch, seq=state.seq)
            mirror.renew(state)
        return False

    async def compare(self) -> None:
        """Heal the mirrors that missed something without noticing.

        Raises:
            RoomError: UNAVAILABLE.
        """
        mirrors = list(self)
        if not mirrors:
            return
        numbers = await self._link.insist("numbers", *(m.room for m in mirrors))
        for mirror, (epoch, seq) in zip(mirrors, numbers, strict=True):
            if epoch.decode() != mirror.epoch or int(seq) != mirror.seq:
                self.heal(mirror)

    def _channel(self, room: RoomId) -> str:
        return f"{self._link.prefix}events:{room}"

    def _receiver(self, room: RoomId) -> Callable[[bytes], None]:
        def receive(raw: bytes) -> None:
            mirror = self._mirrors.get(room)
            if mirror is not None and not mirror.receive(decode_bus(raw)):
                self.heal(mirror)

        return receive

    def _confirmed(self, channel: str) -> None:
        room = RoomId(channel.removeprefix(f"{self._link.prefix}events:"))
        mirror = self._mirrors.get(room)
        if mirror is not None:
            self.heal(mirror)
