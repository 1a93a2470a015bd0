"""One other worker, of this node or another, and the relay link between it and one of ours.

Says and hears whole states (``_State``); nothing here is a step in a dialogue that
could be missed. Keys are fresh for every pair of worker runs and after every loss,
never used twice. An unwanted track goes on for a few seconds, since people switch
back and forth; an unwanted link likewise.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec
import structlog

from media import rpc
from media.framing import RpcError
from rooms.ids import NodeId, RoomId
from server.realtime.scope import Scope
from server.signalling.media_link import NO_RUN, MediaLink
from server.signalling.reconcile import Steps

REPEAT_S = 2.0
FORGET_S = 15.0
"""After so long a silence the last word of one whose link is lost counts no more."""
LINGER_S = 5.0
"""How long what nobody wants any more still crosses."""
KEY_BYTES = 44
"""AEAD_AES_256_GCM: master key 32, master salt 12 (RFC 7714 §12)."""

log = structlog.get_logger("relays")


class Where(NamedTuple):
    """A media worker anywhere."""

    node: NodeId
    worker: int

    def __str__(self) -> str:
        return f"{self.node}.{self.worker}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A track of the other worker that somebody here wants, with the layers of use.

    ``always``: see ``rpc.WantedTrack``.
    """

    room: RoomId
    info: rpc.TrackInfo
    rids: tuple[str, ...]
    always: bool = False


class _Keys(msgspec.Struct, frozen=True):
    """Made by the keeper for one pair of worker runs. ``up``: from keeper to the other."""

    id: str
    up: bytes
    down: bytes


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says of itself to the other.

    Attributes:
        run: of the speaker's worker; changes when that starts anew.
        heard_run: the listener's run as the speaker knows it, "" before the first word.
        wants: tracks of the listener by id, with layers.
        always: those of them that somebody wants always.
        number: rises with either.
        seen: number of the listener's wants that the speaker acts on.
        keys: of the link, from its keeper only.
        keys_id: of the link the speaker has open, "" for none.
        lost: keys_id of a link the speaker found dead, "" for none.
        ask: the speaker lacks something and wants an answer.
    """

    run: str
    heard_run: str
    addresses: list[str]
    port: int
    wants: dict[str, list[str]]
    always: list[str] = []
    number: int
    seen: int
    keys: _Keys | None
    keys_id: str
    lost: str
    ask: bool = False


@dataclass
class _Open:
    """The link as it is open at our worker. None: not told the worker yet."""

    keys: _Keys
    their_run: str
    up: bool = False
    received: dict[str, Wanted] | None = None
    sent: tuple[dict[str, list[str]], list[str]] | None = None


@dataclass
class _Mine:
    """What we want of them: with linger, numbered."""

    wanted: dict[str, Wanted] = field(default_factory=dict)
    unwanted_at: dict[str, float] = field(default_factory=dict)
    number: int = 0


class Neighbour:
    """Our half of what two workers' nodes agree on.

    Owner: Relays. Acts in ``_step`` only, one at a time; everything else notes what
    is wanted or heard and wakes it.

    Args:
        link: to our worker.
        say: sends our state to the other half.
        near_address: where workers of one node reach each other.
    """

    def __init__(
        self,
        us: Where,
        them: Where,
        link: MediaLink,
        say: Callable[[dict[str, Any]], Awaitable[None]],
        scope: Scope,
        clock: Callable[[], float],
        near_address: str,
    ) -> None:
        self._them = them
        self._keeper = us < them
        self._near = us.node == them.node
        self._near_address = near_address
        self._link = link
        self._say = say
        self._clock = clock
        self._steps = Steps(scope, f"relay link of {us} to {them}", self._step)
        self._run_of = NO_RUN
        self._run = ""
        self._alive = True
        self._mine = _Mine()
        self._theirs: _State | None = None
        self._heard_at = 0.0
        self._open: _Open | None = None
        self._lost = ""
        self._warned = False
        self._idle_since: float | None = None
        self._answer_due = False
        self._said: _State | None = None
        self._said_at = 0.0
        # Kept by those who wait, and only as long as they do.
        self._expected: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        self.link_id = "relay/" + "/".join(map(str, sorted((us, them))))

    @property
    def state(self) -> str:
        """``none``, ``open`` (told the worker) or ``up`` (packets arrive)."""
        if self._open is None:
            return "none"
        return "up" if self._open.up else "open"

    def expected(self, track: str) -> asyncio.Event:
        """Give the event that is set when our worker was told to expect ``track``."""
        event = self._expected.get(track)
        if event is None:
            event = self._expected[track] = asyncio.Event()
        if self._open and self._open.received and track in self._open.received:
            event.set()
        return event

    def set(
        self,
        wanted: dict[str, Wanted],
        is_published: Callable[[RoomId, str], bool],
        *,
        alive: bool,
    ) -> None:
        """Take the whole of what our worker wants of the other now."""
        now = self._clock()
        mine, kept = self._mine, dict(wanted)
        for track, old in mine.wanted.items():
            if track in wanted:
                mine.unwanted_at.pop(track, None)
            elif is_published(old.room, track):
                since = mine.unwanted_at.setdefault(track, now)
                if now - since < LINGER_S:
                    kept[track] = old
        mine.unwanted_at = {t: at for t, at in mine.unwanted_at.items() if t in kept}
        if _said(kept) != _said(mine.wanted):
            mine.number += 1
        mine.wanted = kept
        self._alive = alive
        self._steps.wake()

    def hear(self, payload: dict[str, Any]) -> None:
        """Take the other side's state."""
        try:
            self._theirs = msgspec.convert(payload, _State)
        except msgspec.ValidationError as error:
            log.warning("unreadable relay state", of=str(self._them), cause=str(error))
            return
        self._heard_at = self._clock()
        self._answer_due = self._answer_due or self._theirs.ask
        self._steps.wake()

    def relay_state(self, state: str) -> None:
        """Take the worker's word on the link."""
        if self._open is None:
            return
        if state == "up":
            self._open.up, self._warned = True, False
        else:
            if self._open.up:
                log.warning("relay link lost", to=str(self._them))
            elif not self._warned:
                self._warned = True
                log.warning(
                    "a relay link carries nothing: open the other node's UDP port to this one",
                    to=str(self._them),
                    port=self._theirs.port if self._theirs else 0,
                )
            self._lost, self._open = self._open.keys.id, None
        self._steps.wake()

    async def close(self) -> None:
        if self._open is not None:
            # The other half may be open still: these keys are used up all the same.
            self._lost, self._open = self._open.keys.id, None
            await self._close_link()

    async def _step(self) -> None:
        if not self._link.up or self._link.info is None:
            return
        now = self._clock()
        if self._run_of != self._link.run:  # whatever the last process had open is gone
            self._run_of, self._run, self._open = self._link.run, secrets.token_hex(8), None
        if self._lost and now - self._heard_at > FORGET_S:
            self._theirs = None
        if not self._alive:
            self._theirs, self._said, self._lost = None, None, ""
            await self.close()
            return
        try:
            await self._align(now)
        except RpcError as error:
            if error.code == "gone":
                raise
            log.warning("relay link refused", to=str(self._them), cause=str(error))
            if self._open is not None:
                self._lost, self._open = self._open.keys.id, None
        await self._speak(now)

    async def _align(self, now: float) -> None:
        """Bring our worker's link in line with both nodes' wishes."""
        theirs = self._theirs
        if not self._needed:
            self._idle_since = self._idle_since if self._idle_since is not None else now
            if self._open is not None and now - self._idle_since >= LINGER_S:
                await self.close()
            if self._open is None:
                return
        else:
            self._idle_since = None
        if theirs is None:
            return
        keys = self._keys_to_use(theirs)
        if keys is not None and (self._open is None or self._open.keys.id != keys.id):
            await self._open_link(keys, theirs)
        opened = self._open
        if opened is not None and opened.received != self._mine.wanted:
            await self._receive(opened, dict(self._mine.wanted))
        wish = (theirs.wants, theirs.always)
        if opened is not None and opened is self._open and opened.sent != wish:
            await self._link.relay_send(
                rpc.RelaySend(link=self.link_id, tracks=dict(wish[0]), always=list(wish[1]))
            )
            opened.sent = wish

    @property
    def _needed(self) -> bool:
        return bool(self._mine.wanted) or bool(self._theirs and self._theirs.wants)

    def _keys_to_use(self, theirs: _State) -> _Keys | None:
        """Decide which keys the link should have now, None while that is unknown."""
        if not self._keeper:
            # Keys made for an earlier run of our worker, or found dead, are of no use.
            usable = theirs.keys is not None and theirs.heard_run == self._run
            return theirs.keys if usable and theirs.keys and theirs.keys.id != self._lost else None
        if self._open is not None and (
            self._open.their_run == theirs.run and theirs.lost != self._open.keys.id
        ):
            return self._open.keys
        return _Keys(
            secrets.token_hex(8), secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
        )

    async def _open_link(self, keys: _Keys, theirs: _State) -> None:
        assert self._link.info is not None
        await self._link.relay_open(
            rpc.RelayOpen(
                link=self.link_id,
                address=common_address(self._link.info.addresses, theirs.addresses),
                port=theirs.port,
                tx_key=keys.up if self._keeper else keys.down,
                rx_key=keys.down if self._keeper else keys.up,
                near=self._near,
            )
        )
        self._open = _Open(keys=keys, their_run=theirs.run)
        self._lost = ""

    async def _receive(self, opened: _Open, wanted: dict[str, Wanted]) -> None:
        await self._link.relay_receive(
            rpc.RelayReceive(
                link=self.link_id,
                room_of={track: want.room for track, want in wanted.items()},
                tracks=[want.info for want in wanted.values()],
            )
        )
        opened.received = wanted
        for track, event in self._expected.items():
            if track in wanted:
                event.set()

    async def _speak(self, now: float) -> None:
        """Say our state when it changed, was asked for, or is not confirmed yet."""
        info, theirs = self._link.info, self._theirs
        assert info is not None
        state = _State(
            run=self._run,
            heard_run=theirs.run if theirs else "",
            addresses=[self._near_address] if self._near else info.addresses,
            port=info.port,
            wants={track: list(want.rids) for track, want in self._mine.wanted.items()},
            always=[track for track, want in self._mine.wanted.items() if want.always],
            number=self._mine.number,
            seen=theirs.number if theirs else 0,
            keys=self._open.keys if self._open and self._keeper else None,
            keys_id=self._open.keys.id if self._open else "",
            lost=self._lost,
        )
        if self._said is None and not self._needed and not self._answer_due:
            return  # nothing was ever between us
        changed = state != self._said
        repeat = not self._settled and now - self._said_at >= REPEAT_S
        if not (changed or repeat or self._answer_due):
            return
        asking = (changed or repeat) and not self._settled
        self._said, self._said_at, self._answer_due = state, now, False
        await self._say(msgspec.to_builtins(msgspec.structs.replace(state, ask=asking)))

    @property
    def _settled(self) -> bool:
        """Whether the other side has confirmed all that we said and need."""
        theirs, opened = self._theirs, self._open
        if theirs is None or theirs.heard_run != self._run:
            return not self._needed
        if theirs.seen != self._mine.number:
            return False
        if not self._needed:
            return True
        return opened is not None and theirs.keys_id == opened.keys.id

    async def _close_link(self) -> None:
        try:
            await self._link.relay_close(self.link_id)
        except RpcError as error:
            if error.code != "gone":
                log.warning("relay link not closed", to=str(self._them), cause=str(error))


def _said(wanted: dict[str, Wanted]) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Tell what the other side hears of our wishes."""
    return {track: (want.rids, want.always) for track, want in wanted.items()}


def common_address(ours: list[str], theirs: list[str]) -> str:
    """Choose where the other worker is reached: in IPv4 if both have it, so both choose alike."""
    families = {ipaddress.ip_address(address).version for address in ours}
    for version in (4, 6):
        if version in families:
            for address in theirs:
                if ipaddress.ip_address(address).version == version:
                    return address
    return theirs[0]
