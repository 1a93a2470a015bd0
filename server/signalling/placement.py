"""Which of a node's media workers carries a peer. Counts load; starts nothing, calls nobody.

A room stays on one worker while it fits there: its people then share one copy of
every track. One that has grown past that goes on on further workers, and what is
wanted on several crosses between them (``relays``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from rooms.ids import RoomId

ROOM_LOAD = 300
"""How much of one room a worker takes before the room's next peers go elsewhere.

A load of 1 is a peer, or a track on its way to one. At some 80 packets a second a
track, 300 are a quarter of what one core forwards in plain Python: far enough from
the limit that everybody there may still open more tiles.
"""


@dataclass
class _Place:
    """Where a peer is."""

    room: RoomId
    worker: int
    load: int


class Placement:
    """The peers of this node by worker. Owner: ``Workers``.

    Invariant: ``loads`` and each room's loads are the sums over the peers in place.

    Args:
        room_load: see ROOM_LOAD.
    """

    def __init__(self, room_load: int = ROOM_LOAD) -> None:
        self.loads: Counter[int] = Counter()
        self._room_load = room_load
        self._places: dict[str, _Place] = {}
        self._rooms: dict[RoomId, dict[int, int]] = {}

    def place(self, peer: str, room: RoomId, usable: Collection[int], lost: Collection[int]) -> int:
        """Give the worker of a peer: where it is already, else where it goes now.

        Args:
            usable: workers that answer now; not empty.
            lost: workers that do not come back by themselves. The others that do not
                answer are starting again, and their peers wait for them: what has
                ended one worker must not be carried to the next.
        """
        place = self._places.get(peer)
        if place is not None:
            if place.worker not in lost:
                return place.worker
            self.leave(peer)
        worker = self._choose(room, usable, lost)
        self._places[peer] = _Place(room, worker, 0)
        self._rooms.setdefault(room, {}).setdefault(worker, 0)
        self.weigh(peer, 1)
        return worker

    def weigh(self, peer: str, load: int) -> None:
        """Note what a peer costs its worker now; one that is in no place costs nothing."""
        place = self._places.get(peer)
        if place is not None:
            self.loads[place.worker] += load - place.load
            self._rooms[place.room][place.worker] += load - place.load
            place.load = load

    def leave(self, peer: str) -> None:
        """Forget a peer. Twice is fine."""
        self.weigh(peer, 0)
        place = self._places.pop(peer, None)
        if place is not None:
            of_room = self._rooms[place.room]
            if not of_room[place.worker]:
                del of_room[place.worker]
            if not of_room:
                del self._rooms[place.room]

    def workers_of(self, room: RoomId) -> list[int]:
        """List the workers that have peers of a room, the one it began on first."""
        return list(self._rooms.get(room, ()))

    def _choose(self, room: RoomId, usable: Collection[int], lost: Collection[int]) -> int:
        here = {w: load for w, load in self._rooms.get(room, {}).items() if w not in lost}
        for worker, load in here.items():
            if load < self._room_load:
                return worker
        others = sorted(w for w in usable if w not in here)
        elsewhere = min(others, key=self.loads.__getitem__, default=None)
        if not here:
            return elsewhere if elsewhere is not None else min(usable)
        least = min(here, key=self.loads.__getitem__)
        if elsewhere is not None and self.loads[elsewhere] < self.loads[least]:
            return elsewhere
        return least
