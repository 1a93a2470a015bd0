"""Opus (RFC 7587): every packet stands alone; silence is seen without decoding."""

from __future__ import annotations

from media.core.packet import Packet

# libopus (opus_encode): a packet of 2 bytes or less need not be sent (DTX).
DTX_BYTES = 2
# RFC 6464 §3: 127 is digital silence.
SILENT_LEVEL = 127


def is_silent(packet: Packet, level: int | None) -> bool:
    """Tell silence by size (discontinuous transmission) or by audio level, None if unknown."""
    return packet.end - packet.payload <= DTX_BYTES or level == SILENT_LEVEL
