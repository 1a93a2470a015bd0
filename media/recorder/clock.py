"""When a frame was taken, on this machine's clock, from timestamps and sender reports. Pure.

All streams of one person share what was learnt of that person's clock, so their sound
and picture stay together whatever the network did to the reports.
"""

from __future__ import annotations

from media.recorder.wire import Clock

SAME_CLOCK_S = 0.1
"""Reports that disagree by less come from one clock, over a network that varies."""
STEP_S = 0.01
"""Smaller corrections are not worth a seam."""


class PersonClock:
    """What a person's clock says less what ours says. Owner: the recorder, one per person."""

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def offset_s(self, report: Clock) -> float:
        offset_s = report.arrival - report.ntp
        if self._offset_s is None or abs(offset_s - self._offset_s) > SAME_CLOCK_S:
            self._offset_s = offset_s
        return self._offset_s


class StreamClock:
    """Maps one stream's timestamps to time. Owner: the recorder, one per stream.

    Until a sender report came, the first packet is taken to have travelled no time.
    """

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._ts: int | None = None
        self._at_s = 0.0

    def arrived(self, ts: int, arrival: float) -> None:
        """Learn from the first packet."""
        if self._ts is None:
            self._ts, self._at_s = ts, arrival

    def reported(self, report: Clock, person: PersonClock) -> None:
        """Learn from a sender report."""
        at_s = report.ntp + person.offset_s(report)
        if self._ts is None or abs(self.time(report.ts) - at_s) > STEP_S:
            self._ts, self._at_s = report.ts, at_s

    def time(self, ts: int) -> float:
        """Say when ``ts`` was, in seconds of the monotonic clock."""
        assert self._ts is not None, "nothing arrived yet"
        return self._at_s + (ts - self._ts) / self._rate
