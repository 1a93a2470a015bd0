"""One incoming SSRC: its numbers, reception statistics and sender's clock.

Feeds receiver reports (RFC 3550 §6.4, A.1, A.3, A.8). Keeps no packets.
"""

from __future__ import annotations

from enum import IntEnum

from media.core.packet import Packet
from media.core.rtcp import Report
from media.core.seqmap import extend_seq, extend_ts

MAX_DROPOUT = 3000  # RFC 3550 A.1
# RFC 3550 A.1 says 100; repaired packets come back later than reordered ones:
# as old as the oldest a NACK may ask for (see nack.MAX_MISSING).
MAX_MISORDER = 1000


class Receipt(IntEnum):
    """What to do with a packet after numbering."""

    NEW = 0
    LATE = 1
    STRAY = 2  # far outside the window: not counted, drop it
    RESTART = 3  # the sender began anew: numbers moved up a cycle; forget losses and history


_NEW = Receipt.NEW


class Source:
    """Owner: the track that receives it. One per SSRC; lifetime of that SSRC.

    Args:
        ssrc: as on the wire.
        clock_rate: Hz.
        clock: sources whose sender reports share a clock (one publisher's) share this
            key; forwarders align timestamps across such sources only.
        rid: "" without simulcast.
    """

    __slots__ = (
        "_base",
        "_expected_prior",
        "_probe",
        "_rate_at",
        "_rate_bytes",
        "_received_prior",
        "_transit",
        "bps",
        "bytes",
        "clock",
        "clock_rate",
        "highest",
        "jitter",
        "latest_ts",
        "ntp",
        "packets",
        "rid",
        "sr_arrival",
        "sr_lsr",
        "sr_ts",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_rate: int, clock: str, rid: str = "") -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.clock = clock
        self.rid = rid
        self.highest = -1
        self.latest_ts: int | None = None
        self.packets = 0
        self.bytes = 0
        self.bps = 0
        self.jitter = 0.0
        self.ntp: float | None = None
        self.sr_arrival = 0.0
        self.sr_lsr = 0
        self.sr_ts = 0
        self._base = 0
        self._probe = -1
        self._transit: float | None = None
        self._expected_prior = 0
        self._received_prior = 0
        self._rate_at: float | None = None
        self._rate_bytes = 0

    def receive(self, packet: Packet, now: float) -> Receipt:
        """Number the packet (sets ``source``, ``seq``, ``ts``, ``arrival``) and count it."""
        seq16 = packet.seq16
        highest = self.highest
        packet.source = self
        packet.arrival = now
        latest = self.latest_ts
        if (seq16 - highest) & 0xFFFF == 1 and highest >= 0 and latest is not None:
            # The next one, as nearly always.
            ahead = (packet.ts32 - latest) & 0xFFFFFFFF
            packet.ts = ts = latest + (ahead if ahead < 0x80000000 else ahead - 0x100000000)
            if ts > latest:
                self.latest_ts = ts
            packet.seq = self.highest = highest + 1
            self.packets += 1
            self.bytes += len(packet.data)
            before = self._transit
            self._transit = transit = now * self.clock_rate - ts
            if before is not None:
                self.jitter += (abs(transit - before) - self.jitter) / 16  # RFC 3550 A.8
            return _NEW
        if highest < 0:
            self._start(extend_seq(seq16, None))
            highest = self.highest
            ahead = 1
            receipt = Receipt.NEW
        else:
            ahead = (seq16 - highest) & 0xFFFF
            if ahead < MAX_DROPOUT:
                receipt = Receipt.NEW if ahead else Receipt.LATE
            elif ahead > 0x10000 - MAX_MISORDER:
                ahead -= 0x10000
                receipt = Receipt.LATE
            elif seq16 == self._probe:
                # Two in order far away: the sender began anew (RFC 3550 A.1).
                self._start(((highest >> 16) + 1) << 16 | seq16)
                self._transit = None
                self.latest_ts = None
                self.ntp = None
                highest = self.highest
                ahead = 1
                receipt = Receipt.RESTART
            else:
                self._probe = (seq16 + 1) & 0xFFFF
                return Receipt.STRAY
        packet.seq = seq = highest + ahead
        latest = self.latest_ts  # perhaps forgotten just now
        packet.ts = ts = extend_ts(packet.ts32, latest)
        self.packets += 1
        self.bytes += len(packet.data)
        if receipt is not Receipt.LATE:
            self.highest = seq
            if latest is None or ts > latest:
                self.latest_ts = ts
            transit = now * self.clock_rate - ts
            if self._transit is not None:
                self.jitter += (abs(transit - self._transit) - self.jitter) / 16  # RFC 3550 A.8
            self._transit = transit
        return receipt

    def _start(self, first: int) -> None:
        """Begin counting at an extended number (init_seq of RFC 3550 A.1)."""
        self.highest = first - 1
        self._base = first
        self._probe = -1
        self.packets = 0
        self._expected_prior = 0
        self._received_prior = 0

    def sender_report(self, ntp64: int, ts32: int, now: float) -> None:
        """Take the clock mapping of a sender report (RFC 3550 §6.4.1)."""
        self.ntp = ntp64 / 0x100000000
        self.sr_lsr = ntp64 >> 16 & 0xFFFFFFFF
        self.sr_ts = extend_ts(ts32, self.latest_ts)
        if self.latest_ts is None:
            self.latest_ts = self.sr_ts
        self.sr_arrival = now

    @property
    def expected(self) -> int:
        """How many packets there should be by now (RFC 3550 A.3)."""
        return self.highest - self._base + 1 if self.highest >= 0 else 0

    def report(self, now: float) -> Report:
        """Make the report block for this source; resets the interval's loss fraction."""
        expected = self.expected
        lost = max(-0x800000, min(0x7FFFFF, expected - self.packets))
        expected_now = expected - self._expected_prior
        lost_now = expected_now - (self.packets - self._received_prior)
        self._expected_prior = expected
        self._received_prior = self.packets
        fraction = 0
        if expected_now > 0 and lost_now > 0:
            fraction = min(255, (lost_now << 8) // expected_now)
        return Report(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            lost=lost,
            # Ours start one cycle up (extend_seq); the peer counts cycles from none.
            highest=max(0, self.highest - 0x10000) & 0xFFFFFFFF,
            jitter=min(int(self.jitter), 0xFFFFFFFF),
            lsr=self.sr_lsr,
            dlsr=min(int((now - self.sr_arrival) * 65536), 0xFFFFFFFF) if self.sr_lsr else 0,
        )

    def measure(self, now: float) -> int:
        """Return the received rate in bit/s over the last second or so; call it every tick."""
        if self._rate_at is None:
            self._rate_at = now
            self._rate_bytes = self.bytes
            return self.bps
        elapsed = now - self._rate_at
        # Half a second holds several frames even at 5 a second (screens).
        if elapsed >= 0.5:
            rate = int((self.bytes - self._rate_bytes) * 8 / elapsed)
            self.bps = (self.bps + rate) // 2 if rate and self.bps else rate
            self._rate_at = now
            self._rate_bytes = self.bytes
        return self.bps
