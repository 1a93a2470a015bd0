"""One outgoing SSRC: writes packets under new headers, again on its RTX stream, or padding.

Copies the payload, patches the fixed header, the transport-wide number and the VP8/VP9
picture numbers; takes nothing else apart.
"""

from __future__ import annotations

import struct

from media.core.extensions import ExtensionIds, Wire
from media.core.packet import U16

# Bound once: these run for every packet of every subscriber.
_put_header = struct.Struct("!BHII").pack_into  # M PT, seq, timestamp, SSRC; byte 0 is the wire's
_put_u16 = U16.pack_into
_get_u16 = U16.unpack_from


def stamp(
    buffer: bytearray | memoryview,
    at: int,
    wire: Wire,
    pt: int,
    seq: int,
    ts: int,
    ssrc: int,
    picture: int,
    tl0: int,
) -> None:
    """Write a receiver's numbers, but the transport-wide one, over those of a copied wire."""
    _put_header(buffer, at + 1, pt | wire.marker, seq & 0xFFFF, ts & 0xFFFFFFFF, ssrc)
    place = wire.picture_at
    if place:
        if wire.wide:
            _put_u16(buffer, at + place, 0x8000 | picture & 0x7FFF)
        else:
            buffer[at + place] = picture & 0x7F
        if wire.tl0_at:
            buffer[at + wire.tl0_at] = tl0 & 0xFF


class Outgoing:
    """The numbers of the packet to be written, and how to write it.

    ``ends``: it ends a picture, whatever its marker says. ``frame_delta`` is added to the frame
    number of its dependency descriptor. ``seq``, ``ts`` (extended), ``picture`` and ``tl0`` are set before ``write``: by
    ``Forwarder.map``, or by a relay link straight from the packet. ``packets`` and
    ``octets`` count what ``write`` rendered, for sender reports.

    Args:
        ssrc, pt: outgoing.
        rtx_ssrc, rtx_pt: 0 when RTX was not negotiated.
        rtx_seq: first number of the RTX stream, random.
    """

    __slots__ = (
        "_rtx_seq",
        "ends",
        "frame_delta",
        "octets",
        "packets",
        "picture",
        "pt",
        "rtx_pt",
        "rtx_ssrc",
        "seq",
        "ssrc",
        "tl0",
        "ts",
    )

    def __init__(
        self, *, ssrc: int, pt: int, rtx_ssrc: int = 0, rtx_pt: int = 0, rtx_seq: int = 0
    ) -> None:
        self.ssrc = ssrc
        self.pt = pt
        self.rtx_ssrc = rtx_ssrc
        self.rtx_pt = rtx_pt
        self.seq = 0
        self.ts = 0
        self.picture = 0
        self.tl0 = 0
        self.ends = False
        self.frame_delta = 0
        self.packets = 0
        self.octets = 0
        self._rtx_seq = rtx_seq

    def write(self, buffer: bytearray | memoryview, at: int, wire: Wire, twcc_seq: int = 0) -> int:
        """Write a packet under the numbers now set into ``buffer`` at ``at``; returns its length."""
        size = wire.size
        buffer[at : at + size] = wire.data
        stamp(buffer, at, wire, self.pt, self.seq, self.ts, self.ssrc, self.picture, self.tl0)
        if wire.twcc:
            _put_u16(buffer, at + wire.twcc, twcc_seq)
        if self.ends:
            buffer[at + 1] |= 0x80
        if wire.frame_at and self.frame_delta:
            (frame,) = _get_u16(wire.data, wire.frame_at)
            _put_u16(buffer, at + wire.frame_at, frame + self.frame_delta & 0xFFFF)
        self.packets += 1
        self.octets += wire.octets
        return size

    def write_rtx(
        self, buffer: bytearray | memoryview, at: int, wire: Wire, twcc_seq: int = 0
    ) -> int:
        """As ``write``, as a retransmission on the RTX stream (RFC 4588); numbers it itself."""
        packets, octets = self.packets, self.octets
        size = self.write(buffer, at, wire, twcc_seq)
        self.packets, self.octets = packets, octets
        start = at + wire.payload
        buffer[start + 2 : at + size + 2] = bytes(buffer[start : at + size])
        _put_u16(buffer, start, self.seq & 0xFFFF)
        self._put_rtx_header(buffer, at, buffer[at + 1] & 0x80, self.ts)
        return size + 2

    def write_padding(
        self,
        buffer: bytearray | memoryview,
        at: int,
        count: int,
        ids: ExtensionIds,
        twcc_seq: int,
        now: float,
    ) -> int:
        """Write a packet of padding alone on the RTX stream, for probes; needs RTX.

        Args:
            count: bytes of padding, 1..255.
            ids: the subscriber's; of use here are transport-cc and abs-send-time.

        Returns:
            The packet's length.
        """
        block = b""
        if ids.transport_cc:
            block += bytes((ids.transport_cc << 4 | 1,)) + U16.pack(twcc_seq)
        if ids.abs_send_time:
            sent = int(now * (1 << 18)) & 0xFFFFFF  # seconds, 6.18 bits
            block += bytes((ids.abs_send_time << 4 | 2,)) + sent.to_bytes(3, "big")
        head = 12
        buffer[at] = 0xA0
        if block:
            block += bytes(-len(block) % 4)
            head = 16 + len(block)
            buffer[at + 12 : at + head] = struct.pack("!HH", 0xBEDE, len(block) // 4) + block
            buffer[at] = 0xB0
        self._put_rtx_header(buffer, at, 0, self.ts)
        buffer[at + head : at + head + count] = bytes(count - 1) + bytes((count,))
        return head + count

    def _put_rtx_header(
        self, buffer: bytearray | memoryview, at: int, marker: int, ts: int
    ) -> None:
        _put_header(
            buffer, at + 1, self.rtx_pt | marker, self._rtx_seq, ts & 0xFFFFFFFF, self.rtx_ssrc
        )
        self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
