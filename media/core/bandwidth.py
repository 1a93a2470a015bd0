"""How much a path carries: towards a subscriber (estimated here) and from a publisher (told by REMB).

A compact Google Congestion Control (draft-ietf-rmcat-gcc-02): delay trend,
loss, bounded growth, probes. Publishers that do TWCC estimate for themselves.
"""

from __future__ import annotations

from collections import deque

from media.core.delay import DelayTrend, Usage
from media.core.probe import USEFUL, Padding, Prober
from media.core.twcc import Acknowledged, Sample

BETA = 0.85  # of the acknowledged rate after overuse (draft §5.5)
GROWTH_PER_SECOND = 1.08  # far from the last known limit (draft §5.5)
SLOW_START_PER_SECOND = 2.0  # until the first sign of a limit; as TCP's, in seconds for round trips
AHEAD = 1.5  # growth stops at 1.5 times what is known to arrive (draft §5.5)
AHEAD_BPS = 10_000
WAKE_BPS = 300_000  # libwebrtc's kDefaultStartBitrateBps: room to try a picture again
WAKE_AFTER = 10.0  # seconds of peace; on a path that cannot, trying costs a second of that
RATE_WINDOW = 0.5  # libwebrtc's acknowledged_bitrate_estimator: 500 ms
NEAR = 1.2  # beyond 1.2 times the last limit it is not the limit any more
PACKET_BITS = 1200 * 8  # additive growth: about a packet per response time (draft §5.5)
RESPONSE = 0.1  # added to the round trip (draft §5.5)
LOSS_LOW, LOSS_HIGH = 0.02, 0.10  # draft §6
LOSS_WINDOW_PACKETS = 20  # libwebrtc's kLimitNumPackets
DECREASE_INTERVAL = 0.3  # libwebrtc's kBweDecreaseInterval, plus a round trip


class SendEstimate:
    """What may be sent to one subscriber. Owner: the subscriber.

    Args:
        start_bps, floor_bps, cap_bps: first value and limits.
    """

    __slots__ = (
        "_acked",
        "_acked_bytes",
        "_bps",
        "_cap_bps",
        "_decreased_at",
        "_floor_bps",
        "_limit_bps",
        "_loss",
        "_loss_lost",
        "_loss_seen",
        "_prober",
        "_remb_bps",
        "_rtt",
        "_trend",
        "_twcc",
        "_updated_at",
        "_yielded_at",
    )

    def __init__(
        self, *, start_bps: int = 1_000_000, floor_bps: int = 30_000, cap_bps: int = 20_000_000
    ) -> None:
        self._bps = float(start_bps)
        self._floor_bps = floor_bps
        self._cap_bps = cap_bps
        self._remb_bps: int | None = None
        self._rtt = 0.1
        self._twcc = False
        self._trend = DelayTrend()
        self._limit_bps: float | None = None  # what arrived when the path was last full
        self._updated_at: float | None = None
        self._decreased_at: float | None = None  # for whatever reason
        self._yielded_at: float | None = None  # for delay
        self._loss = 0.0
        self._loss_lost = 0
        self._loss_seen = 0
        self._acked: deque[tuple[float, int]] = deque()
        self._acked_bytes = 0
        self._prober = Prober()

    @property
    def bps(self) -> int:
        """The estimate."""
        bps = self._bps
        if self._remb_bps is not None:
            bps = min(bps, self._remb_bps)
        return int(min(max(bps, self._floor_bps), self._cap_bps))

    @property
    def rtt(self) -> float:
        """Smoothed round trip, seconds; 0.1 until known."""
        return self._rtt

    @property
    def acknowledged_bps(self) -> int:
        """What lately arrived; 0 when too little is known."""
        if len(self._acked) < 2:
            return 0
        span = max(self._acked[-1][0] - self._acked[0][0], RATE_WINDOW / 2)
        return int((self._acked_bytes - self._acked[0][1]) * 8 / span)

    def acknowledged(self, acked: Acknowledged, now: float) -> None:
        """Take a TWCC feedback."""
        self._twcc = True
        if acked.rtt is not None:
            self._rtt += (acked.rtt - self._rtt) / 8  # RFC 6298's smoothing
        over = False
        for sample in acked.samples:
            self._trend.add(sample)
            over = over or self._trend.usage is Usage.OVER
            self._count(sample)
            if sample.probe:
                self._prober.add(sample)
        self._count_loss(acked, now)
        if over:
            self._trend.usage = Usage.NORMAL  # answered; the next OVER is a new one
            # A burst makes a queue that goes with it: it found nothing, and that is all.
            if not self._prober.congested():
                self._overused(now)
        elif self._trend.usage is Usage.NORMAL and self._loss < LOSS_LOW:
            self._grow(now)
        self._updated_at = now
        shown_bps = self._prober.judge(self._rtt, now)
        if shown_bps > self._bps:
            self._set(shown_bps)
            if self._limit_bps is not None and shown_bps > self._limit_bps:
                self._limit_bps = None

    def _count(self, sample: Sample) -> None:
        self._acked.append((sample.arrived, sample.size_bytes))
        self._acked_bytes += sample.size_bytes
        while self._acked[0][0] < sample.arrived - RATE_WINDOW:
            self._acked_bytes -= self._acked.popleft()[1]

    def _count_loss(self, acked: Acknowledged, now: float) -> None:
        self._loss_lost += acked.lost
        self._loss_seen += acked.lost + len(acked.samples)
        if self._loss_seen >= LOSS_WINDOW_PACKETS:
            self._loss = self._loss_lost / self._loss_seen
            self._loss_lost = self._loss_seen = 0
            self._lose(self._loss, now)

    def _long_since(self, at: float | None, now: float) -> bool:
        """Whether a decrease at that time has had its effect."""
        return at is None or now - at > DECREASE_INTERVAL + self._rtt

    def _overused(self, now: float) -> None:
        """The queue grows: go below what gets through."""
        arriving = self.acknowledged_bps
        if not arriving or not self._long_since(self._yielded_at, now):
            return
        self._limit_bps = arriving
        self._set(min(self._bps, BETA * arriving))
        self._yielded_at = self._decreased_at = now

    def _grow(self, now: float) -> None:
        if self._updated_at is None:
            return
        elapsed = min(now - self._updated_at, 1.0)
        arriving = self.acknowledged_bps
        if self._limit_bps is not None and arriving > NEAR * self._limit_bps:
            self._limit_bps = None
        if self._limit_bps is not None and self._bps > self._limit_bps / NEAR:
            grown = self._bps + elapsed * PACKET_BITS / (self._rtt + RESPONSE)
        elif self._decreased_at is None:
            grown = self._bps * SLOW_START_PER_SECOND**elapsed
        else:
            grown = self._bps * GROWTH_PER_SECOND**elapsed
        ahead = AHEAD * arriving + AHEAD_BPS
        if self._decreased_at is not None and now - self._decreased_at > WAKE_AFTER:
            # With every picture paused little is sent, so little can be shown to arrive.
            ahead = max(ahead, WAKE_BPS)
        self._set(max(self._bps, min(grown, ahead)))

    def _set(self, bps: float) -> None:
        self._bps = min(max(bps, self._floor_bps), self._cap_bps)

    def _lose(self, fraction: float, now: float) -> None:
        """Draft §6: much loss lowers the rate by half of it; and nothing is gained above what arrives."""
        if fraction > LOSS_HIGH and self._long_since(self._decreased_at, now):
            rate = self._bps * (1 - 0.5 * fraction)
            self._set(min(rate, self.acknowledged_bps or rate))
            self._decreased_at = now

    def remb(self, bps: int, now: float) -> None:
        """Take a receiver's own estimate (clients without TWCC follow it; with TWCC it is a cap)."""
        self._remb_bps = max(bps, self._floor_bps)
        if not self._twcc:
            self._set(self._remb_bps)
            self._prober.filled(self._remb_bps, now)
            self._updated_at = now

    def receiver_report(self, fraction_lost: int, rtt: float | None, now: float) -> None:
        """Take loss (0..255 of 256) and round trip of an RR; loss counts only without TWCC."""
        if self._twcc:
            return
        if rtt is not None:
            self._rtt += (rtt - self._rtt) / 8
        fraction = fraction_lost / 256
        self._lose(fraction, now)
        if fraction < LOSS_LOW and self._remb_bps is None and self._updated_at is not None:
            self._set(self._bps * GROWTH_PER_SECOND ** min(now - self._updated_at, 1.0))
        self._updated_at = now

    def probing(self, now: float) -> int:
        """Id of the probe under way, for ``Departures.next`` with every packet; 0 for none."""
        return self._prober.current(now)

    def probe(self, wanted_bps: int, sent_bps: int, now: float) -> Padding | None:
        """Begin to find out whether there is room for more, up to what could be used.

        Args:
            wanted_bps: what the estimate must be for everything wanted to be sent.
            sent_bps: what the media sent now takes.

        Returns:
            What to send on top of it; None when one is under way, the last found nothing
            lately, or nobody would tell.
        """
        bps = self.bps
        if wanted_bps <= bps or bps >= self._cap_bps:
            return None
        useful_bps = min(int(wanted_bps * USEFUL), self._cap_bps)
        if not self._twcc:
            if self._remb_bps is None:
                return None
            return self._prober.fill(bps, sent_bps, now)
        if self._remb_bps is not None and self._remb_bps <= self._bps:
            return None
        return self._prober.burst(bps, useful_bps, self.acknowledged_bps, now)


class ReceiveLimit:
    """What to tell a publisher without TWCC by REMB. Owner: the publisher.

    Loss alone decides (draft §6): its sender adds its own judgement.

    Args:
        cap_bps: most we ever want of it.
    """

    __slots__ = ("_bps", "_cap_bps", "_updated_at")

    FLOOR_BPS = 50_000  # a picture the size of a thumbnail, and audio

    def __init__(self, *, cap_bps: int) -> None:
        self._cap_bps = cap_bps
        self._bps = float(cap_bps)
        self._updated_at: float | None = None

    def update(self, received_bps: int, fraction_lost: int, now: float) -> int:
        """Return the value to send; call once a second.

        Args:
            fraction_lost: of 256, over the last second.
        """
        fraction = fraction_lost / 256
        if fraction > LOSS_HIGH:
            self._bps = min(self._bps, received_bps) * (1 - 0.5 * fraction)
        elif fraction < LOSS_LOW:
            elapsed = 0.0 if self._updated_at is None else now - self._updated_at
            self._bps *= GROWTH_PER_SECOND ** min(elapsed, 10.0)
        self._updated_at = now
        self._bps = min(max(self._bps, self.FLOOR_BPS), self._cap_bps)
        return int(self._bps)
