"""What a source can be received as: all of it, or parts up to a spatial and a temporal layer.

Learns from the packets which layers there are and what each costs.
"""

from __future__ import annotations

from collections import Counter

from media.core.dependency import Structure
from media.core.layers import LayerState
from media.core.packet import Packet
from media.core.selection import EVERY

GONE_AFTER = 10
"""A layer not seen for so many measurements (half a second each) is no more."""


class Parts:
    """Owner: the layer of a track.

    Attributes:
        states: lowest first; the last is ``whole``, whose rate and size others measure.
    """

    def __init__(self, whole: LayerState) -> None:
        self.whole = whole
        self.states = [whole]
        self._bytes: Counter[tuple[int, int]] = Counter()
        self._shares: dict[tuple[int, int], float] = {}
        self._unseen: Counter[tuple[int, int]] = Counter()
        self._structure: Structure | None = None

    def clear(self) -> None:
        """Another source feeds the layer."""
        self._bytes.clear()
        self._shares.clear()
        self._unseen.clear()
        self._structure = None

    def note(self, packet: Packet, *, layered: bool) -> None:
        """Count a packet."""
        spatial = 0
        if layered:
            spatial = packet.spatial
            if packet.dependency is not None:
                self._structure = packet.dependency.structure
        self._bytes[spatial, packet.temporal] += len(packet.data)

    def measure(self) -> bool:
        """Bring the parts' rates up to date with the whole's; whether there are other parts now."""
        total = sum(self._bytes.values())
        if total:
            for place in self._bytes.keys() | self._shares.keys():
                share = self._bytes[place] / total
                self._shares[place] = (self._shares.get(place, share) + share) / 2
                self._unseen[place] = 0 if share else self._unseen[place] + 1
                if self._unseen[place] > GONE_AFTER:
                    del self._shares[place], self._unseen[place]
            self._bytes.clear()
        places = sorted(self._shares)
        wanted = _points(places)
        changed = wanted != [(part.spatial, part.temporal) for part in self.states[:-1]]
        if changed:
            known = {(part.spatial, part.temporal): part for part in self.states[:-1]}
            self.states = [
                known.get(point) or LayerState(self.whole.rid, 0, 0, 0, *point) for point in wanted
            ] + [self.whole]
        for part in self.states[:-1]:
            self._weigh(part, places)
        return changed

    def _weigh(self, part: LayerState, places: list[tuple[int, int]]) -> None:
        whole, structure = self.whole, self._structure
        top = max((spatial for spatial, _ in places), default=0)
        spatial = min(part.spatial, top)
        if structure is not None and spatial < len(structure.sizes):
            part.width, part.height = structure.sizes[spatial]
        else:
            part.width, part.height = whole.width >> top - spatial, whole.height >> top - spatial
        share = sum(self._shares[place] for place in places if self._needed(place, part))
        part.bps = max(1, int(whole.bps * share)) if whole.bps else 0

    def _needed(self, place: tuple[int, int], part: LayerState) -> bool:
        spatial, temporal = place
        if spatial > part.spatial or temporal > part.temporal:
            return False
        structure = self._structure
        if structure is None:
            return True
        target = structure.choose(part.spatial, part.temporal, structure.everything)
        return any(
            template.continues and template.indications[target]
            for template in structure.templates
            if (template.spatial, template.temporal) == place
        )


def _points(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Parts worth offering: each size at full rate and at half, the smallest at all rates."""
    if not places:
        return []
    tops: dict[int, int] = {}
    for spatial, temporal in places:
        tops[spatial] = max(tops.get(spatial, 0), temporal)
    top = max(tops)
    points = []
    for spatial in sorted(tops):
        rates = tops[spatial]
        outer = EVERY if spatial == top else spatial
        lowest = 0 if spatial == min(tops) else max(rates - 1, 0)
        points += [(outer, temporal) for temporal in range(lowest, rates)]
        if spatial != top:
            points.append((outer, EVERY))
    return points
