"""A stretch of an outgoing stream that came from one source, and what its packets were changed by."""

from __future__ import annotations

from media.core.packet import Packet
from media.core.selection import EVERY
from media.core.seqmap import SeqMap
from media.core.source import Source

# Changes of the spatial layer remembered, as long as packets may be asked for again.
MAX_TOPS = 32


class Segment:
    """Owner: the forwarder."""

    __slots__ = ("_tops", "first_out", "frame_delta", "map", "source", "tl0_delta", "ts_delta")

    def __init__(
        self,
        source: Source,
        seqmap: SeqMap,
        first_out: int,
        ts_delta: int,
        tl0_delta: int,
        frame_delta: int,
    ) -> None:
        self.source = source
        self.map = seqmap
        self.first_out = first_out
        self.ts_delta = ts_delta
        self.tl0_delta = tl0_delta
        self.frame_delta = frame_delta
        self._tops: list[tuple[int, int]] = []

    def ends(self, packet: Packet, top: int) -> bool:
        """Whether the newest packet ends a picture for the receiver, its top layer being this."""
        tops = self._tops
        if not tops or tops[-1][1] != top:
            tops.append((packet.seq, top))
            del tops[:-MAX_TOPS]
        return packet.ends and packet.spatial == top

    def ended(self, packet: Packet) -> bool:
        """What ``ends`` said of an old packet."""
        top = next((top for first, top in reversed(self._tops) if first <= packet.seq), EVERY)
        return packet.ends and packet.spatial == top

    def holds(self, source: Source | None, seq: int) -> bool:
        """Whether a number of a source went through here, or is kept free."""
        return self.source is source and self.map.first <= seq <= self.map.highest
