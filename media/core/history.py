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
        raise NotImplementedError

    def add(self, packet: Packet) -> bool:
        """Keep a packet; False when it is a duplicate or older than all kept."""
        raise NotImplementedError

    def get(self, seq: int) -> Packet | None:
        """Return the packet with this extended number if still kept."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget everything (the source restarted)."""
        raise NotImplementedError
