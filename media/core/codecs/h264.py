"""H.264 payloads (RFC 6184 §5): where an IDR picture can be joined."""

from __future__ import annotations

from media.core.packet import Packet

IDR, SPS = 5, 7  # ITU-T H.264 table 7-1
STAP_A, FU_A = 24, 28  # RFC 6184 table 1


def inspect(packet: Packet) -> None:
    """Set the codec fields: a keyframe starts with its SPS, or with the IDR slice if that comes alone.

    ``begins`` is not told (nothing in the payload says so) and not needed without
    temporal layers.
    """
    packet.begins = packet.sync = packet.keyframe = _joinable(packet)
    packet.temporal = 0
    packet.picture = packet.tl0 = -1


def _joinable(packet: Packet) -> bool:
    data = packet.data
    at = packet.payload
    end = packet.end
    if at >= end:
        return False
    kind = data[at] & 0x1F
    if kind == FU_A:
        return at + 1 < end and data[at + 1] & 0x80 != 0 and data[at + 1] & 0x1F in (IDR, SPS)
    if kind == STAP_A:
        at += 1
        while at + 2 < end:
            length = data[at] << 8 | data[at + 1]
            if data[at + 2] & 0x1F in (IDR, SPS):
                return True
            at += 2 + length
        return False
    return kind in (IDR, SPS)


def size(packet: Packet) -> tuple[int, int] | None:
    """Say nothing: sizes would need the SPS decoded, and rates order the layers well enough."""
    return None
