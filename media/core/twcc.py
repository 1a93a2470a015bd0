"""Transport-wide congestion control bookkeeping at both ends of a path."""

from __future__ import annotations

from dataclasses import dataclass

from media.core.rtcp import Twcc


class Arrivals:
    """Receive side: records arrivals of one publisher transport and makes feedback of them."""

    __slots__ = ("_arrivals", "_base", "_feedback", "_highest")

    def __init__(self) -> None:
        raise NotImplementedError

    def received(self, seq16: int, now: float) -> None:
        """Note the arrival of a transport-wide number."""
        raise NotImplementedError

    def feedback(self, sender: int, media: int) -> bytes | None:
        """Return one RTCP packet over everything since the last call, None if nothing came.

        Call every 50–100 ms, and earlier when ``full``.
        """
        raise NotImplementedError

    @property
    def full(self) -> bool:
        """Whether enough came for a packet of its own."""
        raise NotImplementedError


@dataclass(slots=True)
class Sample:
    """One acknowledged packet. ``sent`` on our clock, ``arrived`` on theirs, seconds."""

    sent: float
    arrived: float
    size_bytes: int
    probe: int


@dataclass(slots=True)
class Acknowledged:
    """What one feedback packet told: samples in sending order, and losses."""

    samples: list[Sample]
    lost: int
    rtt: float | None


class Departures:
    """Send side: numbers packets of one subscriber transport and remembers when they left."""

    __slots__ = ("_highest_acked", "_probes", "_sent", "_sizes", "_unwrapped", "seq")

    def __init__(self) -> None:
        raise NotImplementedError

    def next(self, size_bytes: int, now: float, probe: int = 0) -> int:
        """Number a packet about to be sent: its 16-bit transport-wide number."""
        raise NotImplementedError

    def acknowledge(self, feedback: Twcc, now: float) -> Acknowledged:
        """Match feedback with what was sent; ignores numbers never sent or told before."""
        raise NotImplementedError
