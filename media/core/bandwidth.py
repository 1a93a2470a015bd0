"""How much a path carries: towards a subscriber (estimated here) and from a publisher (told by REMB).

A compact Google Congestion Control (draft-ietf-rmcat-gcc-02): delay trend,
loss, bounded growth, probes. Publishers that do TWCC estimate for themselves.
"""

from __future__ import annotations

from media.core.twcc import Acknowledged


class SendEstimate:
    """What may be sent to one subscriber. Owner: the subscriber.

    Args:
        start_bps, floor_bps, cap_bps: first value and limits.
    """

    def __init__(
        self, *, start_bps: int = 1_000_000, floor_bps: int = 30_000, cap_bps: int = 20_000_000
    ) -> None:
        raise NotImplementedError

    @property
    def bps(self) -> int:
        """The estimate."""
        raise NotImplementedError

    @property
    def rtt(self) -> float:
        """Smoothed round trip, seconds; 0.1 until known."""
        raise NotImplementedError

    def acknowledged(self, acked: Acknowledged, now: float) -> None:
        """Take a TWCC feedback."""
        raise NotImplementedError

    def remb(self, bps: int, now: float) -> None:
        """Take a receiver's own estimate (clients without TWCC follow it; with TWCC it is a cap)."""
        raise NotImplementedError

    def receiver_report(self, fraction_lost: int, rtt: float | None, now: float) -> None:
        """Take loss (0..255 of 256) and round trip of an RR; loss counts only without TWCC."""
        raise NotImplementedError

    def probe(self, target_bps: int, now: float) -> tuple[int, int] | None:
        """Start a probe: (probe id for ``Departures.next``, bytes of padding to send now), None if too soon."""
        raise NotImplementedError


class ReceiveLimit:
    """What to tell a publisher without TWCC by REMB. Owner: the publisher.

    Args:
        cap_bps: most we ever want of it.
    """

    def __init__(self, *, cap_bps: int) -> None:
        raise NotImplementedError

    def update(self, received_bps: int, fraction_lost: int, now: float) -> int:
        """Return the value to send; call once a second."""
        raise NotImplementedError
