"""One session of the load: receives one publisher's sound and picture, and keeps count.

Counts and checks order from the clear RTP header; a verifying one also decrypts
every packet, checks that it is whole and in order, and how long it was on its way.
A hasty one only counts. Asks for no retransmission.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable

from media.core import rtcp
from media.dtls import Certificate
from tests.bench import payload
from tests.bench.datagrams import SLOT_BYTES, SLOTS, Datagrams, stamp
from tests.bench.link import Link
from tests.bench.publisher import Signals

HEADER_BYTES = 12
REPORT_S = 1.0
_head = struct.Struct("!BBHII").unpack_from
_words = struct.Struct("!2xH").unpack_from


class Viewer:
    """Attributes:
    stream: which publisher's.
    received: media packets so far.
    faults: what was wrong with them, by name; ``misplaced`` ones were lost, twice here or out of order.
    transit_ns: of packets verified, from the publisher's send to the kernel's receipt.
    """

    def __init__(
        self, certificate: Certificate, stream: int, *, verifies: bool, hasty: bool
    ) -> None:
        self.stream = stream
        self.link = Link(certificate, "recvonly", self._first_media)
        self.verifies = verifies
        self.received = 0
        self.faults: Counter[str] = Counter()
        self.transit_ns: list[int] = []
        self._hasty = hasty and not verifies
        self._kinds: dict[int, str] = {}
        self._no_media = b""
        self._next: dict[int, int] = {}
        self._numbers: dict[str, int] = {}
        self._timestamps: dict[str, int] = {}
        self._report_due = 0.0
        self._on_first: Callable[[], None] | None = None
        if verifies:
            stamp(self.link.sock)

    async def join(self, server: Signals, on_first: Callable[[], None]) -> None:
        """Args:
        on_first: called when the first media packet has come.
        """
        self._on_first = on_first
        await server.watch(self.link, self.stream)
        self._kinds = {line.codec.payload_type: line.kind for line in self.link.lines.values()}
        media = {kind | marker for kind in self._kinds for marker in (0, 0x80)}
        self._no_media = bytes(set(range(256)) - media)
        await self.link.connected()

    def sweep(self, slots: Datagrams, now: float) -> None:
        """Read all that waits. Only once the first packet has come."""
        fd = self.link.sock.fileno()
        while True:
            count = slots.read(fd)
            for i in range(self._skim(slots, count), count):
                if self.verifies:
                    self._verify(slots.datagram(i), slots.arrived_ns(i))
                elif not self._count(slots.memory, i * SLOT_BYTES):
                    self._other(slots.datagram(i))
            if count < SLOTS:
                break
        if now >= self._report_due:
            self._report_due = now + REPORT_S
            self._report()
            self.link.tick(now)

    def _skim(self, slots: Datagrams, count: int) -> int:
        """Count without a look at each, if it may be so and all are media; returns how many it took."""
        if not self._hasty or not count:
            return 0
        seconds = slots.second_bytes(count)
        if seconds.translate(None, self._no_media) != seconds:
            return 0
        self.received += count
        _, _, seq, _, ssrc = _head(slots.memory, (count - 1) * SLOT_BYTES)
        self._next[ssrc] = (seq + 1) & 0xFFFF
        return count

    def _first_media(self, datagram: memoryview) -> None:
        if len(datagram) >= HEADER_BYTES and self._count(datagram, 0) and self._on_first:
            self._on_first()
            self._on_first = None

    def _count(self, memory: memoryview, start: int) -> bool:
        """Whether it is one of the media packets asked for; RTCP's second byte is none of theirs."""
        first, second, seq, _, ssrc = _head(memory, start)
        if second & 0x7F not in self._kinds or not 128 <= first < 192:
            return False
        self.received += 1
        if self._next.get(ssrc, seq) != seq and not self._hasty:
            self.faults["misplaced"] += 1
        self._next[ssrc] = (seq + 1) & 0xFFFF
        return True

    def _other(self, datagram: memoryview) -> None:
        if len(datagram) >= HEADER_BYTES and datagram[0] < 128:
            self.link.take_other(datagram)

    def _verify(self, datagram: memoryview, arrived_ns: int) -> None:
        if len(datagram) < HEADER_BYTES or not self._count(datagram, 0):
            self._other(datagram)
            return
        assert self.link.srtp is not None
        packet = self.link.srtp.unprotect(datagram)
        if packet is None:
            self.faults["unauthentic"] += 1
            return
        first, second, _, timestamp, _ = _head(packet)
        kind = self._kinds[second & 0x7F]
        mark = payload.read(kind, _payload(packet, first))
        if mark is None:
            self.faults["damaged"] += 1
            return
        if self._numbers.get(kind, mark.number - 1) != mark.number - 1:
            self.faults["disordered"] += 1
        ahead = (timestamp - self._timestamps.get(kind, timestamp)) & 0xFFFFFFFF
        if ahead >= 1 << 31:
            self.faults["time_went_back"] += 1
        self._numbers[kind], self._timestamps[kind] = mark.number, timestamp
        if arrived_ns:
            self.transit_ns.append(arrived_ns - mark.sent_ns)

    def _report(self) -> None:
        blocks = [
            rtcp.Report(
                ssrc=ssrc,
                fraction_lost=0,
                lost=0,
                highest=(following - 1) & 0xFFFF,
                jitter=0,
                lsr=0,
                dlsr=0,
            )
            for ssrc, following in self._next.items()
        ]
        self.link.send_rtcp(rtcp.build_rr(1, blocks))


def _payload(packet: bytes, first: int) -> bytes:
    """RFC 3550 §5.1."""
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        start += 4 + 4 * int(_words(packet, start)[0])
    end = len(packet) - packet[-1] if first & 0x20 else len(packet)
    return packet[start:end]
