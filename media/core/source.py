"""One incoming SSRC: its numbers, reception statistics and sender's clock.

Feeds receiver reports (RFC 3550 §6.4, A.1, A.3, A.8). Keeps no packets.
"""

from __future__ import annotations

from enum import IntEnum

from media.core.packet import Packet
from media.core.rtcp import Report


class Receipt(IntEnum):
    """What to do with a packet after numbering."""

    NEW = 0
    LATE = 1
    STRAY = 2  # far outside the window: not counted, drop it
    RESTART = 3  # the sender began anew: numbers moved up a cycle; forget losses and history


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
        "_bits",
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
        raise NotImplementedError

    def receive(self, packet: Packet, now: float) -> Receipt:
        """Number the packet (sets ``source``, ``seq``, ``ts``, ``arrival``) and count it."""
        raise NotImplementedError

    def sender_report(self, ntp64: int, ts32: int, now: float) -> None:
        """Take the clock mapping of a sender report (RFC 3550 §6.4.1)."""
        raise NotImplementedError

    def report(self, now: float) -> Report:
        """Make the report block for this source; resets the interval's loss fraction."""
        raise NotImplementedError

    def measure(self, now: float) -> int:
        """Return the received rate in bit/s over the last second or so; call it every tick."""
        raise NotImplementedError
