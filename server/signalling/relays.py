"""Relay links: from what people on our workers want to what crosses between workers.

There is one link for each pair of workers, of one node or of two, whatever the
direction of its tracks. The one whose name sorts first keeps it: it makes the keys.
Both sides say their whole state to each other, at once when it changes and every two
seconds while the other has not confirmed it, so a lost message only delays
(``neighbour``). Between nodes they speak over the bus, within one by a call.

A track of another node enters ours once, on one worker; the others get it from there.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from media import rpc
from rooms.ids import NodeId, RoomId, TrackId
from server.realtime.nodes import Nodes
from server.realtime.records import TrackRecord
from server.realtime.scope import Scope
from server.signalling.media_link import MediaLink
from server.signalling.neighbour import Neighbour, Wanted, Where
from server.signalling.reconcile import Steps

KIND = "relay.sync"
TICK_S = 1.0
FULL_WIDTH, FULL_HEIGHT = 1280, 720
"""What the highest layer of a simulcast is taken to measure; each layer below has half of it."""

log = structlog.get_logger("relays")

_Wants = dict[str, Wanted]
"""By track id."""


class Relays:
    """All relay links of this node's workers.

    Owner: Signalling. Lifetime: until ``close``.

    Args:
        links: to our workers, by index.
        media_host: what their ports are bound to.
        find_record: where a track of a room is, as far as this node knows.
    """

    def __init__(
        self,
        nodes: Nodes,
        links: Sequence[MediaLink],
        media_host: str,
        find_record: Callable[[RoomId, TrackId], TrackRecord | None],
        scope: Scope,
    ) -> None:
        self._node = nodes.me.id
        self._nodes = nodes
        self._links = links
        self._near_address = near_address(media_host)
        self._find_record = find_record
        self._scope = scope
        self._wants: dict[str, tuple[int, RoomId, list[rpc.WantedTrack]]] = {}
        self._entries: dict[TrackId, int] = {}
        self._neighbours: dict[tuple[int, Where], Neighbour] = {}
        self._steps = Steps(scope, "relays", self._step)
        nodes.on(KIND, self._hear)
        for link in links:
            link.on(rpc.RelayStateNotice, self._listener(link.index))
        scope.spawn(self._tick())

    def want(self, owner: str, worker: int, room: RoomId, wants: list[rpc.WantedTrack]) -> None:
        """Say the whole of what ``owner``, a peer on that worker of ours, wants to receive.

        An empty list ends it.
        """
        if wants:
            self._wants[owner] = (worker, room, wants)
        elif self._wants.pop(owner, None) is None:
            return
        self._steps.wake()

    async def ready(
        self, worker: int, room: RoomId, tracks: Iterable[str], timeout_s: float
    ) -> bool:
        """Wait until that worker of ours expects those tracks (its own it has anyway).

        Returns:
            False when the time was up first.
        """
        loop = asyncio.get_running_loop()
        waits = []
        for track in tracks:
            record = self._find_record(room, TrackId(track))
            if record is not None and (source := self._source(worker, record)) is not None:
                waits.append(self._neighbour(worker, source).expected(track))
        self._steps.wake()
        deadline = loop.time() + timeout_s
        for wait in waits:
            try:
                async with asyncio.timeout_at(deadline):
                    await wait.wait()
            except TimeoutError:
                return False
        return True

    def links(self) -> dict[str, str]:
        """Tell the state of each link by its name: ``open``, ``up`` or ``none``."""
        return {n.link_id: n.state for n in self._neighbours.values()}

    def wake(self) -> None:
        """A record changed, or another worker is up: look again at everything."""
        self._steps.wake()

    async def close(self) -> None:
        """Let go of every link; the others notice by our silence."""
        for neighbour in self._neighbours.values():
            await neighbour.close()

    async def _tick(self) -> None:
        while True:
            self._steps.wake()
            await asyncio.sleep(TICK_S)

    async def _step(self) -> None:
        wanted: dict[tuple[int, Where], _Wants] = {}
        entering: set[TrackId] = set()
        for worker, room, wants in self._wants.values():
            for want in wants:
                track = TrackId(want.track)
                record = self._find_record(room, track)
                source = self._source(worker, record) if record is not None else None
                if record is None or source is None:
                    continue
                it = Wanted(
                    room=room,
                    info=record.info,
                    rids=rids_for(record.info, want.max_width, want.max_height),
                    always=want.always,
                )
                _add(wanted.setdefault((worker, source), {}), it)
                if record.node == self._node:
                    continue
                entering.add(track)
                if source.node == self._node:  # which must have it to pass it on
                    origin = Where(record.node, record.worker)
                    _add(wanted.setdefault((source.worker, origin), {}), it)
        self._entries = {t: worker for t, worker in self._entries.items() if t in entering}
        for pair in wanted:
            self._neighbour(*pair)
        alive = {record.id for record in self._nodes.alive()} | {self._node}
        for pair, neighbour in list(self._neighbours.items()):
            neighbour.set(wanted.get(pair, {}), self._published, alive=pair[1].node in alive)

    def _source(self, worker: int, record: TrackRecord) -> Where | None:
        """Tell which worker another of ours gets a track from; None: it has it.

        A track of another node enters on the first worker whose people want it, and
        that stays so while anybody of ours does.
        """
        origin = Where(record.node, record.worker)
        if origin == (self._node, worker):
            return None
        if origin.node == self._node:
            return origin
        entry = self._entries.setdefault(record.track.id, worker)
        if entry != worker and self._links[entry].lost:
            entry = self._entries[record.track.id] = worker
        return origin if entry == worker else Where(self._node, entry)

    def _published(self, room: RoomId, track: str) -> bool:
        return self._find_record(room, TrackId(track)) is not None

    def _neighbour(self, worker: int, them: Where) -> Neighbour:
        neighbour = self._neighbours.get((worker, them))
        if neighbour is None:
            us = Where(self._node, worker)

            async def say(state: dict[str, Any]) -> None:
                await self._say(us, them, state)

            neighbour = Neighbour(
                us,
                them,
                self._links[worker],
                say,
                self._scope,
                asyncio.get_running_loop().time,
                self._near_address,
            )
            self._neighbours[worker, them] = neighbour
        return neighbour

    async def _say(self, us: Where, them: Where, state: dict[str, Any]) -> None:
        message = {"from": us.worker, "to": them.worker, "state": state}
        if them.node == self._node:
            await self._hear(us.node, message)
        else:
            await self._nodes.send(them.node, KIND, message)

    async def _hear(self, sender: NodeId, message: dict[str, Any]) -> None:
        match message:
            case {"from": int(theirs), "to": int(ours), "state": dict(state)} if (
                0 <= ours < len(self._links) and theirs >= 0
            ):
                self._neighbour(ours, Where(sender, theirs)).hear(state)
                self._steps.wake()
            case _:
                log.warning("a relay message to nobody here", sender=sender)

    def _listener(self, worker: int) -> Callable[[rpc.RelayStateNotice], None]:
        def hear(notice: rpc.RelayStateNotice) -> None:
            for (ours, _), neighbour in self._neighbours.items():
                if ours == worker and neighbour.link_id == notice.link:
                    neighbour.relay_state(notice.state)

        return hear


def _add(wants: _Wants, want: Wanted) -> None:
    """Note a wish; of several for one track each counts for what it wants most."""
    known = wants.get(want.info.track)
    if known is not None:
        rids = max(known.rids, want.rids, key=len)
        want = replace(want, rids=rids, always=want.always or known.always)
    wants[want.info.track] = want


def near_address(media_host: str) -> str:
    """Tell at which address workers of one machine reach each other's port."""
    host = ipaddress.ip_address(media_host)
    return "127.0.0.1" if host.is_unspecified else str(host)


def rids_for(info: rpc.TrackInfo, width: int, height: int) -> tuple[str, ...]:
    """Choose the layers that may be of use for a tile: all up to the first that fills it.

    The lower ones cross too, because the far worker may have to step down for want
    of bandwidth. 0 by 0 means as large as there is.
    """
    rids = [layer.rid for layer in info.layers]
    if width > 0 or height > 0:
        for index in range(len(rids)):
            halvings = len(rids) - 1 - index
            if width <= FULL_WIDTH >> halvings and height <= FULL_HEIGHT >> halvings:
                return tuple(rids[: index + 1])
    return tuple(rids)
