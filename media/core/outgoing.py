"""One outgoing SSRC: writes packets under new headers, again on its RTX stream, or padding.

Copies the payload, patches the fixed header, the transport-wide number and the VP8/VP9
picture numbers; takes nothing else apart.
"""

from __future__ import annotations

from media.core.extensions import Wire
from media.core.packet import HEADER, U16, Packet


class Outgoing:
    """The numbers of the packet to be written, and how to write it.

    ``seq``, ``ts`` (extended), ``picture`` and ``tl0`` are set before ``write``: by
    ``Forwarder.map``, or by a relay link straight from the packet. ``packets`` and
    ``octets`` count what ``write`` rendered, for sender reports.

    Args:
        ssrc, pt: outgoing.
        rtx_ssrc, rtx_pt: 0 when RTX was not negotiated.
        rtx_seq: first number of the RTX stream, random.
    """

    __slots__ = (
        "_rtx_seq",
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
        self.packets = 0
        self.octets = 0
        self._rtx_seq = rtx_seq

    def write(self, buffer: bytearray | memoryview, at: int, wire: Wire, twcc_seq: int = 0) -> int:
        """Write a packet under the numbers now set into ``buffer`` at ``at``; returns its length."""
        data = wire.data
        size = len(data)
        packet = wire.packet
        buffer[at : at + size] = data
        HEADER.pack_into(
            buffer,
            at,
            wire.first,
            self.pt | 0x80 if packet.marker else self.pt,
            self.seq & 0xFFFF,
            self.ts & 0xFFFFFFFF,
            self.ssrc,
        )
        if wire.twcc:
            U16.pack_into(buffer, at + wire.twcc, twcc_seq)
        if packet.picture >= 0:
            self._write_picture(buffer, at + wire.shift, packet)
        self.packets += 1
        self.octets += size - wire.payload
        return size

    def _write_picture(self, buffer: bytearray | memoryview, base: int, packet: Packet) -> None:
        """Patch picture id, in its own width, and TL0PICIDX; ``base`` + packet offsets."""
        place = base + packet.picture_at
        if packet.picture_mask == 0x7FFF:
            U16.pack_into(buffer, place, 0x8000 | self.picture & 0x7FFF)
        else:
            buffer[place] = self.picture & 0x7F
        if packet.tl0 >= 0:
            buffer[base + packet.tl0_at] = self.tl0 & 0xFF

    def write_rtx(
        self, buffer: bytearray | memoryview, at: int, wire: Wire, twcc_seq: int = 0
    ) -> int:
        """As ``write``, as a retransmission on the RTX stream (RFC 4588); numbers it itself."""
        data = wire.data
        payload = wire.payload
        packet = wire.packet
        size = len(data) + 2
        buffer[at : at + payload] = data[:payload]
        U16.pack_into(buffer, at + payload, self.seq & 0xFFFF)
        buffer[at + payload + 2 : at + size] = data[payload:]
        self._rtx_header(buffer, at, wire.first, packet.marker, self.ts)
        if wire.twcc:
            U16.pack_into(buffer, at + wire.twcc, twcc_seq)
        if packet.picture >= 0:
            self._write_picture(buffer, at + wire.shift + 2, packet)
        return size

    def write_padding(
        self,
        buffer: bytearray | memoryview,
        at: int,
        count: int,
        twcc_id: int = 0,
        twcc_seq: int = 0,
    ) -> int:
        """Write a packet of padding alone on the RTX stream, for probes; needs RTX.

        Args:
            count: bytes of padding, 1..255.
            twcc_id: the subscriber's transport-cc id (1..14), 0 without.

        Returns:
            The packet's length.
        """
        head = 12
        first = 0xA0
        if twcc_id:
            buffer[at + 12 : at + 20] = bytes(
                (0xBE, 0xDE, 0, 1, twcc_id << 4 | 1, twcc_seq >> 8, twcc_seq & 0xFF, 0)
            )
            head = 20
            first = 0xB0
        self._rtx_header(buffer, at, first, False, self.ts)
        buffer[at + head : at + head + count] = bytes(count - 1) + bytes((count,))
        return head + count

    def _rtx_header(
        self, buffer: bytearray | memoryview, at: int, first: int, marker: bool, ts: int
    ) -> None:
        HEADER.pack_into(
            buffer,
            at,
            first,
            marker << 7 | self.rtx_pt,
            self._rtx_seq,
            ts & 0xFFFFFFFF,
            self.rtx_ssrc,
        )
        self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
