"""AV1 aggregation header (AV1 RTP specification §4.4); its layers are told by dependency descriptors."""

from __future__ import annotations

from media.core.packet import Packet


def inspect(packet: Packet) -> None:
    """Set the codec fields: N marks the first packet of a coded video sequence, a keyframe."""
    first = packet.data[packet.payload] if packet.payload < packet.end else 0x80
    packet.begins = not first & 0x80  # Z: continues an OBU of the packet before
    packet.keyframe = packet.sync = first & 0x88 == 0x08  # N set, Z clear
    packet.temporal = packet.spatial = 0
    packet.ends = packet.marker
    packet.dependency = None
    packet.picture = packet.tl0 = -1


def size(packet: Packet) -> tuple[int, int] | None:
    """Say nothing: sizes are in the sequence header's bits, and rates order the layers well enough."""
    return None
