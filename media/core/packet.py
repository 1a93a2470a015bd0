"""An RTP packet as bytes plus where its parts are (RFC 3550 §5.1, RFC 8285, RFC 4588).

Parsed once; afterwards only header fields are patched. Payload and header
extensions are never taken apart and put together again.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.core.dependency import Descriptor
    from media.core.source import Source

MAX_EXTENSION_WORDS = 64  # 256 bytes: twice what the richest senders use, read for each packet
MAX_PACKET_BYTES = 1356  # libsrtp via pylibsrtp refuses to protect more

HEADER = struct.Struct("!BBHII")  # RFC 3550 §5.1: V P X CC, M PT, seq, timestamp, SSRC
U16 = struct.Struct("!H")
_EXTENSION = struct.Struct("!HH")  # RFC 3550 §5.3.1: profile, length in words
_EXTENDED = struct.Struct("!BBHIIHH").unpack_from  # both, of a packet without CSRCs

ONE_BYTE = 1
TWO_BYTE = 2
OPAQUE = 3


class Malformed(Enum):
    """Why bytes are not a packet we forward; a counter each."""

    SHORT = "short"
    VERSION = "version"
    CSRC = "csrc"
    EXTENSION = "extension"
    PADDING = "padding"
    RTX = "rtx"
    RED = "red"


class Packet:
    """One received RTP packet.

    Set by ``parse``: ``data`` (kept as given: the caller passes bytes that stay),
    ``pt``, ``marker``, ``seq16``, ``ts32``, ``ssrc``, ``payload`` (offset of the
    payload), ``end`` (offset behind it, where padding starts), ``profile`` (0 none,
    ONE_BYTE, TWO_BYTE, or OPAQUE: not RFC 8285), ``extensions`` and ``extensions_end``
    (offsets of the first extension element and behind the last word).

    Set by ``even_out``: ``padding``, bytes of it to send behind the payload; 0 until then.

    Set by ``open_red``: ``red``, where the blocks of redundant audio begin of which ``payload``
    is the newest; 0 without.

    Set by ``Source.receive``: ``source``, ``seq``, ``ts`` (extended), ``arrival``.

    Set by ``Codec.inspect``: ``begins`` (first packet of a frame), ``keyframe``
    (first packet of a keyframe), ``temporal`` (0 when unknown), ``sync`` (an
    up-switch to this temporal layer may happen here), ``picture`` (VP8 picture id or -1)
    with ``picture_at`` (offset) and ``picture_mask`` (0x7F or 0x7FFF), ``tl0`` (or -1)
    with ``tl0_at``; of VP9 and AV1 also ``spatial``, ``ends`` (last packet of a spatial layer's
    frame) and ``dependency`` (None; its descriptor, if the layer reads them, and then ``active``:
    bitmask of the decode targets being sent).
    """

    __slots__ = (
        "active",
        "arrival",
        "begins",
        "data",
        "dependency",
        "end",
        "ends",
        "extensions",
        "extensions_end",
        "keyframe",
        "marker",
        "padding",
        "payload",
        "picture",
        "picture_at",
        "picture_mask",
        "profile",
        "pt",
        "red",
        "seq",
        "seq16",
        "source",
        "spatial",
        "ssrc",
        "sync",
        "temporal",
        "tl0",
        "tl0_at",
        "ts",
        "ts32",
    )

    data: bytes | bytearray
    pt: int
    marker: bool
    seq16: int
    ts32: int
    ssrc: int
    payload: int
    end: int
    profile: int
    extensions: int
    extensions_end: int
    padding: int
    red: int
    source: Source | None
    seq: int
    ts: int
    arrival: float
    begins: bool
    keyframe: bool
    temporal: int
    sync: bool
    picture: int
    picture_at: int
    picture_mask: int
    tl0: int
    tl0_at: int
    spatial: int
    ends: bool
    dependency: Descriptor | None
    active: int


def parse(data: bytes | bytearray) -> Packet | Malformed:
    """Parse and bounds-check an RTP packet; never raises."""
    size = len(data)
    if size < 12:
        return Malformed.SHORT
    packet = Packet()
    if data[0] == 0x90 and size >= 16:  # as browsers send: extended, no CSRCs, no padding
        _, second, packet.seq16, packet.ts32, packet.ssrc, profile, words = _EXTENDED(data)
        offset = 16 + words * 4
        if profile == 0xBEDE and words <= MAX_EXTENSION_WORDS and offset <= size:
            packet.data = data
            packet.padding = packet.red = 0
            packet.pt = second & 0x7F
            packet.marker = second > 0x7F
            packet.profile = ONE_BYTE
            packet.extensions = 16
            packet.extensions_end = packet.payload = offset
            packet.end = size
            return packet
    first, second, packet.seq16, packet.ts32, packet.ssrc = HEADER.unpack_from(data)
    if first & 0xC0 != 0x80:
        return Malformed.VERSION
    packet.data = data
    packet.padding = packet.red = 0
    packet.pt = second & 0x7F
    packet.marker = second > 0x7F
    offset = 12
    if first & 0x0F:
        offset += (first & 0x0F) * 4
        if offset > size:
            return Malformed.CSRC
    if first & 0x10:
        if offset + 4 > size:
            return Malformed.EXTENSION
        profile, words = _EXTENSION.unpack_from(data, offset)
        if profile == 0xBEDE:  # RFC 8285 §4.2
            packet.profile = ONE_BYTE
        elif profile & 0xFFF0 == 0x1000:  # RFC 8285 §4.3
            packet.profile = TWO_BYTE
        else:
            packet.profile = OPAQUE
        packet.extensions = offset + 4
        offset += 4 + words * 4
        if offset > size or words > MAX_EXTENSION_WORDS:
            return Malformed.EXTENSION
        packet.extensions_end = offset
    else:
        packet.profile = 0
        packet.extensions = packet.extensions_end = offset
    packet.payload = offset
    if first & 0x20:
        count = data[size - 1]
        if count == 0 or count > size - offset:
            return Malformed.PADDING
        packet.end = size - count
    else:
        packet.end = size
    return packet


def find_extension(packet: Packet, wanted: int) -> tuple[int, int] | None:
    """Find a header extension element: (offset of its value, length), or None.

    A length may be 0 (two-byte profile). A broken block reads as if it ended
    where it breaks.
    """
    data = packet.data
    at = packet.extensions
    end = packet.extensions_end
    if wanted == 0:
        return None
    if packet.profile == ONE_BYTE:
        while at < end:
            head = data[at]
            if head == 0:  # padding
                at += 1
                continue
            found = head >> 4
            # RFC 8285 §4.2: 15, or 0 with a length, ends the block.
            if found in (0, 15):
                return None
            length = (head & 0x0F) + 1
            at += 1
            if at + length > end:
                return None
            if found == wanted:
                return at, length
            at += length
    elif packet.profile == TWO_BYTE:
        while at < end:
            found = data[at]
            if found == 0:
                at += 1
                continue
            if at + 2 > end:
                return None
            length = data[at + 1]
            at += 2
            if at + length > end:
                return None
            if found == wanted:
                return at, length
            at += length
    return None


def unwrap_rtx(packet: Packet, ssrc: int, pt: int) -> Packet | Malformed:
    """Restore the original packet out of a retransmission (RFC 4588 §4).

    Args:
        packet: parsed packet of the RTX stream.
        ssrc: of the stream repaired.
        pt: original payload type (``apt``).

    Returns:
        A new packet with the original number; ``Malformed.RTX`` when there is no
        payload (padding used as a probe: normal, count and forget).
    """
    payload = packet.payload
    if packet.end - payload < 2:
        return Malformed.RTX
    data = packet.data
    restored = Packet()
    restored.padding = restored.red = 0
    restored.seq16 = (data[payload] << 8) | data[payload + 1]
    restored.data = copy = bytearray(data[:payload])
    copy += data[payload + 2 : packet.end]
    restored.pt = pt
    restored.marker = packet.marker
    restored.ts32 = packet.ts32
    restored.ssrc = ssrc
    restored.profile = packet.profile
    restored.extensions = packet.extensions
    restored.extensions_end = packet.extensions_end
    restored.payload = payload
    restored.end = len(copy)
    HEADER.pack_into(
        copy, 0, data[0] & 0xDF, packet.marker << 7 | pt, restored.seq16, packet.ts32, ssrc
    )
    return restored
