"""Probes: short bursts above the rate of the media, to see whether the path carries more.

Where the receiver tells of each packet (TWCC) a burst is measured packet by packet. Where it
tells only its own estimate (REMB), which follows what arrives, the path is filled up to that
estimate for a while, so that it can rise.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.core.twcc import Sample

USEFUL = 1.1  # times what is wanted: what is found must do in spite of its own swings
STEP = 2.0  # times the estimate at most (libwebrtc's further_exponential_probe_scale)
SHORTEST_S, LONGEST_S = 0.05, 0.25  # at least 15 ms and 5 packets (libwebrtc); longer is surer
PROBE_BYTES = 4_000  # wanted in one probe; as far above the rate as to fit ``LONGEST_S``
MIN_PACKETS = 5
TRUST = 0.95  # of what arrives when less arrives than was sent (kTargetUtilizationFraction)
ENOUGH = 0.9  # of the target: found
BACKOFF_S = (1.0, 4.0)  # after a probe that found nothing, doubling (libwebrtc in ALR: 5)
GRACE_S = 0.1  # feedback may take so much longer than the round trip
LOST_S = 2.0  # without any feedback a probe is lost

FILL_S = 2.0
FILL_ENOUGH = 1.05  # libwebrtc's AimdRateControl rises by 8 % a second, to 1.5 times what arrives


@dataclass(frozen=True, slots=True)
class Padding:
    """What to send on top of media: so many bytes, spread over so many seconds."""

    size_bytes: int
    duration: float


class _Probe:
    """One under way. ``id`` goes with its packets; sums leave out the first packet.

    ``filled_bps``: the receiver's estimate when the path began to be filled; 0 for a burst.
    """

    __slots__ = (
        "arrived",
        "bytes",
        "congested",
        "filled_bps",
        "first",
        "id",
        "packets",
        "sent",
        "target_bps",
        "until",
    )

    def __init__(self, number: int, target_bps: int, until: float, filled_bps: int) -> None:
        self.id = number
        self.target_bps = target_bps
        self.until = until
        self.filled_bps = filled_bps
        self.congested = False
        self.first: Sample | None = None
        self.sent = 0.0
        self.arrived = 0.0
        self.bytes = 0
        self.packets = 0

    def add(self, sample: Sample) -> None:
        if self.first is None:
            self.first = sample
        else:
            self.bytes += sample.size_bytes
        self.packets += 1
        self.sent = max(self.sent, sample.sent)
        self.arrived = max(self.arrived, sample.arrived)

    def result_bps(self) -> int:
        """Rate shown to arrive; 0 when too little came to say."""
        if self.first is None or self.packets < MIN_PACKETS:
            return 0
        # A queue or clock too coarse to see: no faster than 1 ms for the whole.
        sending = self.bytes * 8 / max(self.sent - self.first.sent, 0.001)
        arriving = self.bytes * 8 / max(self.arrived - self.first.arrived, 0.001)
        if arriving < 0.9 * sending:
            return int(min(TRUST * arriving, self.target_bps))
        return int(min(sending, arriving, self.target_bps))


class Prober:
    """When to probe and how far. Owner: one ``SendEstimate``."""

    __slots__ = ("_backoff", "_count", "_next_at", "_probe")

    def __init__(self) -> None:
        self._probe: _Probe | None = None
        self._count = 0
        self._next_at = 0.0
        self._backoff = BACKOFF_S[0]

    def current(self, now: float) -> int:
        """Id of the burst being sent, 0 for none."""
        probe = self._probe
        return probe.id if probe is not None and now <= probe.until else 0

    def burst(self, bps: int, useful_bps: int, sent_bps: int, now: float) -> Padding | None:
        """Begin a burst.

        Args:
            bps: the estimate.
            useful_bps: what could be used, above it.
            sent_bps: what media takes now.
        """
        target_bps = min(useful_bps, int(STEP * bps))
        missing_bps = target_bps - sent_bps
        if missing_bps <= 0 or not self._free(now):
            return None
        duration = min(max(PROBE_BYTES * 8 / missing_bps, SHORTEST_S), LONGEST_S)
        return self._begin(target_bps, missing_bps, duration, 0, now)

    def fill(self, bps: int, sent_bps: int, now: float) -> Padding | None:
        """Begin to fill the path up to the estimate; arguments as of ``burst``."""
        missing_bps = bps - sent_bps
        if missing_bps <= 0 or not self._free(now):
            return None
        return self._begin(bps, missing_bps, FILL_S, bps, now)

    def add(self, sample: Sample) -> None:
        """Take an acknowledged packet of a burst."""
        if self._probe is not None and sample.probe == self._probe.id:
            self._probe.add(sample)

    def congested(self) -> bool:
        """The queue grows: note it against the burst under way; whether there is one."""
        probe = self._probe
        if probe is None or probe.filled_bps:
            return False
        probe.congested = True
        return True

    def judge(self, rtt: float, now: float) -> int:
        """End a burst that all feedback is in on: the rate it showed, 0 for nothing new."""
        probe = self._probe
        if probe is None or probe.filled_bps or now <= probe.until + rtt + GRACE_S:
            return 0
        result = 0 if probe.congested else probe.result_bps()
        self._end(result >= ENOUGH * probe.target_bps, now)
        return result

    def _free(self, now: float) -> bool:
        probe = self._probe
        if probe is not None and now > probe.until + LOST_S:
            self._end(False, now)
        return self._probe is None and now >= self._next_at

    def filled(self, bps: int, now: float) -> None:
        """Take the receiver's estimate; ends the filling when its time is over."""
        probe = self._probe
        if probe is not None and probe.filled_bps and now >= probe.until:
            self._end(bps >= FILL_ENOUGH * probe.filled_bps, now)

    def _begin(
        self, target_bps: int, missing_bps: int, duration: float, filled_bps: int, now: float
    ) -> Padding:
        self._count = self._count % 0xFFFF + 1
        self._probe = _Probe(self._count, target_bps, now + duration, filled_bps)
        return Padding(int(missing_bps * duration / 8), duration)

    def _end(self, found: bool, now: float) -> None:
        self._probe = None
        if found:
            self._backoff = BACKOFF_S[0]
            self._next_at = now
        else:
            self._next_at = now + self._backoff
            self._backoff = min(self._backoff * 2, BACKOFF_S[1])
