"""The last packets of one source, to answer NACKs and to know duplicates."""

from __future__ import annotations

from media.core.packet import Packet

VIDEO_PACKETS = 512  # about 2 s at 2.5 Mbit/s
AUDIO_PACKETS = 64  # 1.3 s of 20 ms packets


class History:
    """A ring by extended sequence number. Owner: the track, one per source.

    Args:
        size: packets kept, a power of two.
    """

    __slots__ = ("_mask", "_ring", "_seqs")

    def __init__(self, size: int) -> None:
        if size & (size - 1):
            raise ValueError("history size must be a power of two")
        self._mask = size - 1
        self._ring: list[Packet | None] = [None] * size
        self._seqs = [-1] * size

    def add(self, packet: Packet) -> bool:
        """Keep a packet; False when it is a duplicate or older than all kept."""
        seq = packet.seq
        place = seq & self._mask
        if seq <= self._seqs[place]:
            return False
        self._seqs[place] = seq
        self._ring[place] = packet
        return True

    def get(self, seq: int) -> Packet | None:
        """Return the packet with this extended number if still kept."""
        place = seq & self._mask
        return self._ring[place] if self._seqs[place] == seq else None

    def clear(self) -> None:
        """Forget everything (the source restarted)."""
        size = self._mask + 1
        self._ring = [None] * size
        self._seqs = [-1] * size
