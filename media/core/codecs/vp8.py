"""VP8 payload descriptor (RFC 7741 §4.2) and payload header (RFC 6386 §9.1)."""

from __future__ import annotations

from media.core.packet import Packet


def inspect(packet: Packet) -> None:
    """Set the codec fields; a descriptor cut short reads as a packet inside a frame."""
    data = packet.data
    at = packet.payload
    end = packet.end
    packet.begins = packet.keyframe = packet.sync = False
    packet.temporal = 0
    packet.picture = packet.tl0 = -1
    if at >= end:
        return
    first = data[at]  # X R N S R PID(3)
    at += 1
    if first & 0x80:
        if at >= end:
            return
        flags = data[at]  # I L T K
        at += 1
        if flags & 0x80:
            if at + 1 >= end:
                return
            picture = data[at]
            if picture & 0x80:
                packet.picture = (picture & 0x7F) << 8 | data[at + 1]
                packet.picture_mask = 0x7FFF
                packet.picture_at = at
                at += 2
            else:
                packet.picture = picture
                packet.picture_mask = 0x7F
                packet.picture_at = at
                at += 1
        if flags & 0x40:
            if at >= end:
                packet.picture = -1
                return
            packet.tl0 = data[at]
            packet.tl0_at = at
            at += 1
        if flags & 0x30:
            if at >= end:
                packet.picture = packet.tl0 = -1
                return
            if flags & 0x20:  # TID(2) Y KEYIDX(5)
                packet.temporal = data[at] >> 6
                packet.sync = bool(data[at] & 0x20)
            at += 1
    if first & 0x17 == 0x10:  # S set, partition 0: a frame begins
        packet.begins = True
        if at < end and not data[at] & 0x01:  # P clear
            packet.keyframe = True
    if packet.temporal == 0 or packet.keyframe:
        packet.sync = True
        packet.temporal = 0


def size(packet: Packet) -> tuple[int, int] | None:
    """Read width and height behind a keyframe's start code 9d 01 2a (RFC 6386 §9.1)."""
    data = bytes(packet.data[packet.payload : min(packet.end, packet.payload + 16)])
    at = _header_at(data)
    if at is None or data[at + 3 : at + 6] != b"\x9d\x01\x2a" or len(data) < at + 10:
        return None
    width = (data[at + 6] | data[at + 7] << 8) & 0x3FFF
    height = (data[at + 8] | data[at + 9] << 8) & 0x3FFF
    return (width, height) if width and height else None


def _header_at(data: bytes) -> int | None:
    """Return where the payload header starts, behind the descriptor."""
    if not data:
        return None
    at = 1
    if data[0] & 0x80:
        if len(data) < 3:
            return None
        flags = data[1]
        at = 2
        if flags & 0x80:
            at += 2 if data[at] & 0x80 else 1
        at += (flags >> 6 & 1) + bool(flags & 0x30)
    return at
