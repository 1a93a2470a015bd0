"""Transport-wide congestion control bookkeeping at both ends of a path."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from media.core.seqmap import extend_seq, extend_ts
from media.core.twcc_format import Twcc, build_twcc

TICKS = 4000  # arrival times are told in 250 µs (draft §3.1)

# Numbers per feedback: each takes 2 bytes of delta and 2/7 of status at worst,
# so 400 fit a datagram of 1000 bytes.
MAX_REPORTED = 400

# Reported arrivals kept for when a late packet makes us report again from there.
KEPT = 256

# Numbers further from the newest than this are a restart or nonsense.
MAX_JUMP = 0x2000

# Sent packets remembered: 2 s at 2000 packets a second, more than feedback takes.
SENT = 4096


class Arrivals:
    """Receive side: records arrivals of one publisher transport and makes feedback of them."""

    __slots__ = ("_arrivals", "_base", "_feedback", "_highest")

    def __init__(self) -> None:
        self._arrivals: dict[int, int] = {}  # extended number -> ticks
        self._base = 0  # first number the next feedback tells of
        self._highest = -1
        self._feedback = 0

    def received(self, seq16: int, now: float) -> None:
        """Note the arrival of a transport-wide number."""
        highest = self._highest
        if (seq16 - highest) & 0xFFFF == 1 and highest >= 0 and len(self._arrivals) <= MAX_JUMP:
            self._highest = seq = highest + 1
            self._arrivals[seq] = round(now * TICKS)
            return
        if highest < 0:
            seq = extend_seq(seq16, None)
            self._base = seq
        else:
            seq = extend_seq(seq16, highest)
            if abs(seq - highest) > MAX_JUMP or len(self._arrivals) > MAX_JUMP:
                self._arrivals.clear()
                self._base = seq
                self._highest = highest = -1
        if seq > highest:
            self._highest = seq
        elif seq < self._base:
            if seq <= self._base - KEPT:
                return
            self._base = seq
        self._arrivals.setdefault(seq, round(now * TICKS))

    @property
    def full(self) -> bool:
        """Whether enough came for a packet of its own."""
        return self._highest - self._base >= MAX_REPORTED

    def feedback(self, sender: int, media: int) -> bytes | None:
        """Return one RTCP packet over what came since the last call, None if nothing came.

        Call every 50–100 ms, and earlier when ``full``; again until None.
        """
        base = self._base
        end = self._highest + 1
        if base >= end:
            return None
        arrivals = self._arrivals
        if base not in arrivals:
            # What leaves nothing to report is passed over, however much it is.
            first = min(seq for seq in arrivals if seq >= base)
            if first >= base + MAX_REPORTED:
                base = first
        times: list[int | None] = []
        last: int | None = None
        for seq in range(base, min(end, base + MAX_REPORTED)):
            arrival = arrivals.get(seq)
            if arrival is not None:
                # A step must fit 16 signed bits, 8 s: after a longer silence begin anew.
                if last is not None and not -0x8000 <= arrival - last < 0x8000:
                    break
                last = arrival
            times.append(arrival)
        self._base = base + len(times)
        for seq in [seq for seq in arrivals if seq < self._base - KEPT]:
            del arrivals[seq]
        self._feedback = (self._feedback + 1) & 0xFF
        return build_twcc(sender, media, base & 0xFFFF, self._feedback - 1, times)


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

    __slots__ = ("_clock", "_probes", "_sent", "_sizes", "_told", "seq")

    def __init__(self) -> None:
        self.seq = 0xFFFF  # newest sent, extended; the first sent is 0x10000
        self._told = 0xFFFF  # newest acknowledged
        self._clock: int | None = None  # newest arrival, unwrapped ticks of the peer
        # 48 kB that only those have who are ever sent a numbered packet.
        self._sent = array("d")  # negative: free or acknowledged
        self._sizes = array("H")
        self._probes = array("H")

    def next(self, size_bytes: int, now: float, probe: int = 0) -> int:
        """Number a packet about to be sent: its 16-bit transport-wide number."""
        if not self._sent:
            self._sent = array("d", [-1.0]) * SENT
            self._sizes = array("H", bytes(2 * SENT))
            self._probes = array("H", bytes(2 * SENT))
        self.seq = seq = self.seq + 1
        place = seq % SENT
        self._sent[place] = now
        self._sizes[place] = size_bytes
        self._probes[place] = probe
        return seq & 0xFFFF

    def forget(self) -> None:
        """What is not told yet went another way: it counts neither as arrived nor as lost."""
        self._sent = array("d", [-1.0]) * len(self._sent)
        self._told = self.seq

    def acknowledge(self, feedback: Twcc, now: float) -> Acknowledged:
        """Match feedback with what was sent; ignores numbers never sent or told before."""
        newest = self.seq
        oldest = max(0x10000, newest - SENT + 1)
        base = newest - ((newest - feedback.base16) & 0xFFFF)
        samples: list[Sample] = []
        told = self._told
        fresh = 0
        rtt: float | None = None
        for seq16, ticks in feedback.arrivals:
            seq = base + ((seq16 - feedback.base16) & 0xFFFF)
            if not oldest <= seq <= newest:
                continue
            place = seq % SENT
            sent = self._sent[place]
            if sent < 0:
                continue
            self._sent[place] = -1.0
            clock = extend_ts(ticks & 0xFFFFFFFF, self._clock)
            self._clock = clock if self._clock is None else max(self._clock, clock)
            samples.append(Sample(sent, clock / TICKS, self._sizes[place], self._probes[place]))
            if seq > self._told:
                fresh += 1
                rtt = max(0.0, now - sent)
                told = max(told, seq)
        lost = max(0, told - max(self._told, oldest - 1) - fresh)
        self._told = told
        return Acknowledged(samples, lost, rtt)
