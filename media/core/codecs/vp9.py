"""VP9 payload descriptor (RFC 9628 §4.2), with its spatial and temporal layers."""

from __future__ import annotations

from media.core.packet import Packet


def inspect(packet: Packet) -> None:
    """Set the codec fields; a descriptor cut short reads as a packet inside a frame."""
    data = packet.data
    at = packet.payload
    end = packet.end
    packet.begins = packet.keyframe = packet.sync = packet.ends = False
    packet.temporal = packet.spatial = 0
    packet.dependency = None
    packet.picture = packet.tl0 = -1
    if at >= end:
        return
    first = data[at]  # I P L F B E V Z
    at += 1
    if first & 0x80:
        if at + 1 >= end:
            return
        if data[at] & 0x80:
            packet.picture = (data[at] & 0x7F) << 8 | data[at + 1]
            packet.picture_mask = 0x7FFF
            packet.picture_at = at
            at += 2
        else:
            packet.picture = data[at]
            packet.picture_mask = 0x7F
            packet.picture_at = at
            at += 1
    packet.ends = first & 0x04 != 0
    if first & 0x20:  # TID(3) U SID(3) D
        if at >= end:
            packet.picture = -1
            return
        packet.temporal = data[at] >> 5
        packet.sync = data[at] & 0x10 != 0
        packet.spatial = data[at] >> 1 & 7
        at += 1
        if not first & 0x10:  # TL0PICIDX in non-flexible mode
            if at >= end:
                packet.picture = -1
                return
            packet.tl0 = data[at]
            packet.tl0_at = at
    if first & 0x08 and packet.spatial == 0:
        packet.begins = True
        packet.keyframe = not first & 0x40
    if packet.temporal == 0:
        packet.sync = True


def size(packet: Packet) -> tuple[int, int] | None:
    """Read the largest size out of the scalability structure (RFC 9628 §4.2.1), if there."""
    data = bytes(packet.data[packet.payload : min(packet.end, packet.payload + 64)])
    if not data or not data[0] & 0x02:
        return None
    first = data[0]
    at = 1
    try:
        if first & 0x80:
            at += 2 if data[at] & 0x80 else 1
        if first & 0x20:
            at += 1 if first & 0x10 else 2
        if first & 0x50 == 0x50:  # flexible and inter-predicted: P_DIFF until N is clear
            while data[at] & 1:
                at += 1
            at += 1
        structure = data[at]  # N_S(3) Y G
        if not structure & 0x10:
            return None
        at += 1 + (structure >> 5) * 4
        width = data[at] << 8 | data[at + 1]
        height = data[at + 2] << 8 | data[at + 3]
    except IndexError:
        return None
    return (width, height) if width and height else None
