"""Relay links to other nodes: from what local people want to what crosses between workers.

There is one link for each unordered pair of nodes, whatever the direction of its
tracks. The node whose name sorts first keeps it: it makes the keys. Both nodes say
their whole state to each other, at once when it changes and every two seconds while
the other has not confirmed it, so a lost message only delays (``neighbour``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from media import rpc
from rooms.ids import NodeId, RoomId, TrackId
from server.realtime.nodes import Nodes
from server.realtime.records import TrackRecord
from server.realtime.scope import Scope
from server.signalling.media_link import MediaLink
from server.signalling.neighbour import Neighbour, Wanted
from server.signalling.reconcile import Steps

KIND = "relay.sync"
TICK_S = 1.0
FULL_WIDTH, FULL_HEIGHT = 1280, 720
"""What the highest layer of a simulcast is taken to measure; each layer below has half of it."""

log = structlog.get_logger("relays")


class Relays:
    """All relay links of this node.

    Owner: Signalling. Lifetime: until ``close``.

    Args:
        find_record: where a track of a room is, as far as this node knows.
    """

    def __init__(
        self,
        nodes: Nodes,
        link: MediaLink,
        find_record: Callable[[RoomId, TrackId], TrackRecord | None],
        scope: Scope,
    ) -> None:
        self._node = nodes.me.id
        self._nodes = nodes
        self._link = link
        self._find_record = find_record
        self._scope = scope
        self._wants: dict[str, tuple[RoomId, list[rpc.WantedTrack]]] = {}
        self._neighbours: dict[NodeId, Neighbour] = {}
        self._alive: frozenset[NodeId] = frozenset()
        self._steps = Steps(scope, "relays", self._step)
        nodes.on(KIND, self._hear)
        link.on(rpc.RelayStateNotice, self._relay_state)
        scope.spawn(self._tick())

    def want(self, owner: str, room: RoomId, wants: list[rpc.WantedTrack]) -> None:
        """Say the whole of what ``owner`` (a peer) wants to receive; an empty list ends it."""
        if wants:
            self._wants[owner] = (room, wants)
        elif self._wants.pop(owner, None) is None:
            return
        self._steps.wake()

    async def ready(self, room: RoomId, tracks: Iterable[str], timeout_s: float) -> bool:
        """Wait until this node's worker expects those tracks (its own it has anyway).

        Returns:
            False when the time was up first.
        """
        loop = asyncio.get_running_loop()
        waits = []
        for track in tracks:
            record = self._find_record(room, TrackId(track))
            if record is not None and record.node != self._node:
                waits.append(self._neighbour(record.node).expected(track))
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
        """Tell the state of each link by the other node's name: ``open``, ``up`` or ``none``."""
        return {str(name): neighbour.state for name, neighbour in self._neighbours.items()}

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
        wanted: dict[NodeId, dict[str, Wanted]] = {}
        for room, wants in self._wants.values():
            for want in wants:
                record = self._find_record(room, TrackId(want.track))
                if record is None or record.node == self._node:
                    continue
                of_node = wanted.setdefault(record.node, {})
                rids = rids_for(record.info, want.max_width, want.max_height)
                known = of_node.get(want.track)
                if known is None or len(known.rids) < len(rids):
                    of_node[want.track] = Wanted(room=room, info=record.info, rids=rids)
        for name in wanted:
            self._neighbour(name)
        if self._neighbours:
            self._alive = frozenset(record.id for record in self._nodes.alive())
        for name, neighbour in list(self._neighbours.items()):
            neighbour.set(wanted.get(name, {}), self._published, alive=name in self._alive)

    def _published(self, room: RoomId, track: str) -> bool:
        return self._find_record(room, TrackId(track)) is not None

    def _neighbour(self, name: NodeId) -> Neighbour:
        neighbour = self._neighbours.get(name)
        if neighbour is None:
            clock = asyncio.get_running_loop().time
            neighbour = Neighbour(self._node, name, self._link, self._say, self._scope, clock)
            self._neighbours[name] = neighbour
        return neighbour

    async def _say(self, to: NodeId, payload: dict[str, Any]) -> None:
        await self._nodes.send(to, KIND, payload)

    async def _hear(self, sender: NodeId, payload: dict[str, Any]) -> None:
        self._neighbour(sender).hear(payload)
        self._steps.wake()

    def _relay_state(self, notice: rpc.RelayStateNotice) -> None:
        for neighbour in self._neighbours.values():
            if neighbour.link_id == notice.link:
                neighbour.relay_state(notice.state)


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
